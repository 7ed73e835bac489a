// Matrix products of packed weights with a batch of activations, and the packed forms themselves.
#ifndef PAGODA_PG_MATMUL_H
#define PAGODA_PG_MATMUL_H

#include <stddef.h>
#include <stdint.h>

/// Rows of a weight matrix that are packed together; a panel is what one inner loop computes.
#define PG_PANEL_ROWS 8
/// Columns that share an activation scale, and the largest number that share a weight scale.
#define PG_GROUP 32

/// How a packed matrix stores its weights. A panel holds 8 rows; columns follow each other in groups of 32:
///
///   float forms    for each column, 8 values (one a row)
///   Q4_G32         128 bytes of codes, 8 fp16 scales, 8 fp16 minima: weight = code × scale + minimum, code 0…15
///   Q8_*           256 bytes of signed codes, then fp16 scales, then (M forms) fp16 minima; 8 of each for a group of
///                  32 columns (G32), or twice 8 for its two halves (G16)
///
/// Codes of vector v (0…7) of a group are those of columns 4v…4v+3: 4 bytes a row, the rows in turn. Q4 keeps vector
/// v in the low and v+4 in the high halves of 32 bytes.
enum pg_form {
    PG_FORM_F32 = 0,
    PG_FORM_F16 = 1,
    PG_FORM_BF16 = 2,
    PG_FORM_Q4_G32 = 3,
    PG_FORM_Q8_G32 = 4,
    PG_FORM_Q8M_G32 = 5,
    PG_FORM_Q8_G16 = 6,
    PG_FORM_Q8M_G16 = 7,
};

/// A packed matrix: `rows` outputs, `columns` inputs (a multiple of 32 in integer forms).
struct pg_matrix {
    const uint8_t *panels;
    int32_t form;
    int32_t rows;
    int32_t columns;
};

/// A batch of activations, row by row (token by token).
struct pg_activations {
    const float *values;   // [tokens, columns], for float forms
    const int8_t *codes;   // [tokens, columns], for integer forms; value ≈ code × scale, code -127…127
    const float *scales;   // [tokens, columns / 32]
    const float *sums;     // [tokens, columns / 32]: scale × sum of the group's codes
    const float *half_sums;// [tokens, columns / 16]: the same for the group's halves
    int32_t columns;
};

/// Bytes of one panel.
size_t pg_panel_bytes(int32_t form, int32_t columns);

/// out[token, row] = (accumulate ? out[token, row] : 0) + Σ weights[row, column] × activations[token, column], for the
/// rows of panels [panel_begin, panel_end) and tokens [token_begin, token_end).
///
/// The order of summation for an element depends on the form and the number of columns alone.
typedef void pg_matmul_function(
    const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out /* [tokens, out_stride] */, size_t out_stride, int32_t accumulate);

pg_matmul_function pg_matmul_portable;
#if defined(__x86_64__)
pg_matmul_function pg_matmul_avx2;
#endif

#endif
