// Matrix products of packed weights with a batch of activations, and the packed forms themselves.
#ifndef PAGODA_PG_MATMUL_H
#define PAGODA_PG_MATMUL_H

#include <stddef.h>
#include <stdint.h>

/// Rows of a weight matrix that are packed together; a panel is what one inner loop computes.
#define PG_PANEL_ROWS 16
/// Columns that share an activation scale, and the largest number that share a weight scale.
#define PG_GROUP 32
/// Tokens whose quantised activations stand together.
#define PG_TOKEN_TILE 16

/// How a packed matrix stores its weights. A panel holds 16 rows; its columns follow each other in groups of 32:
///
///   float forms    for each column, 16 values (one a row)
///   Q2_G16, Q4_G32, Q5_G32     unsigned codes of 2, 4 or 5 bits: weight = code × scale + minimum
///   Q3Z_G16, Q4Z_G32, Q5Z_G32, Q6Z_G16
///                              the same around 4, 8, 16 or 32, without minima: weight = (code − 4) × scale …
///   Q8_*                       signed 8-bit codes, −127…127; M forms have minima
///
/// with fp16 scales (and minima) for each group of 32 columns (G32), or for each half of it (G16).
///
/// An integer panel is three arrays: the codes of all groups (64 bytes a group for each bit of a code), then the scales
/// (16 a group or half), then the minima likewise; it ends on a multiple of 64 bytes.
///
/// A group's codes are 8 vectors of 64 bytes; vector v holds columns 4v…4v+3: 4 bytes a row, the rows in turn.
/// Forms of fewer bits are made of planes:
///   low four bits    four times 64 bytes: of vector v in the low and of v+4 in the high halves of a byte
///   two bits         twice 64 bytes: bits 2i and 2i+1 belong to vector i, in the second 64 to vector i+4
///   one bit          64 bytes: bit v belongs to vector v
/// 2 bits are a plane of two, 3 two and one, 4 four, 5 four and one, 6 four and two, the lowest bits first.
enum pg_form {
    PG_FORM_F32 = 0,
    PG_FORM_F16 = 1,
    PG_FORM_BF16 = 2,
    PG_FORM_Q2_G16 = 3,
    PG_FORM_Q3Z_G16 = 4,
    PG_FORM_Q4_G32 = 5,
    PG_FORM_Q4Z_G32 = 6,
    PG_FORM_Q5_G32 = 7,
    PG_FORM_Q5Z_G32 = 8,
    PG_FORM_Q6Z_G16 = 9,
    PG_FORM_Q8_G32 = 10,
    PG_FORM_Q8M_G32 = 11,
    PG_FORM_Q8M_G16 = 12,
};

/// A packed matrix: `rows` outputs, `columns` inputs (a multiple of 32 in integer forms).
struct pg_matrix {
    const uint8_t *panels;
    int32_t form;
    int32_t rows;
    int32_t columns;
};

/// The largest codes of activations: of 8 bits, and of 11 (struct pg_fine_codes).
#define PG_LARGEST_CODE 127
#define PG_LARGEST_FINE_CODE 1023

/// 1.5 × 2^23. Integer sums are collected on top of its bits: such a sum, read as fp32, is 12582912 + sum, exactly, as
/// long as |sum| < 2^22; 32 products of 8-bit weights and fine codes are at most 32 × 127 × 1,023 = 4,157,472.
#define PG_MAGIC 12582912.0f
#define PG_MAGIC_BITS 0x4b400000

/// One group (32 columns) of a token's activations, quantised: value ≈ code × scale, code −127…127. One cache line.
///
/// The last two bits of a scale's significand are 0, so that PG_MAGIC × scale is exact and one fused multiply-add takes
/// an integer sum to fp32 and scales it: (12582912 + sum) × scale − 12582912 × scale, rounded once.
struct pg_quantized {
    int8_t codes[PG_GROUP];
    float scale;
    float magic_scale;      // −PG_MAGIC × scale
    float sum;              // scale × sum of the codes, which minima are multiplied with
    float half_sum;         // the same for the first half of the group; the second's is the difference
    int32_t start4;         // PG_MAGIC_BITS − 8 × sum of the codes
    int32_t start8;         // PG_MAGIC_BITS − 128 × sum of the codes
    int32_t half_start6[2]; // PG_MAGIC_BITS − 32 × sum of the codes of each half
};

/// The same group of up to 16 tokens. A cache line more than they need keeps the groups of a token, which a product
/// walks along, out of each other's places in the cache.
struct pg_activation_group {
    struct pg_quantized tokens[PG_TOKEN_TILE];
    uint8_t padding[64];
};

/// The same 32 columns in 11 bits: value ≈ fine code × scale, where a fine code is 8 × code + low, −1023…1023. What
/// pg_quantized says of scales and sums is of the fine codes then.
struct pg_fine_codes {
    int16_t pairs[PG_GROUP]; // the fine codes, columns 4v…4v+3 in the order 0 2 1 3
    int8_t low[PG_GROUP];    // 0…7
};

/// The fine codes of a group of up to 16 tokens.
struct pg_fine_group {
    struct pg_fine_codes tokens[PG_TOKEN_TILE];
    uint8_t padding[64];
};

/// A batch of activations (token by token).
struct pg_activations {
    const float *values;                      // [tokens, columns], for float forms
    const struct pg_activation_group *groups; // [tokens / 16 rounded up, columns / 32], for integer forms
    const struct pg_fine_group *fine;         // likewise, or null: activations of 8 bits
    int32_t columns;
};

/// Bytes of one panel.
size_t pg_panel_bytes(int32_t form, int32_t columns);

/// out[token, row] = (accumulate ? out[token, row] : 0) + Σ weights[row, column] × activations[token, column], for the
/// rows of panels [panel_begin, panel_end) and tokens [token_begin, token_end).
///
/// The order of summation for an element depends on the form and the number of columns alone; sums within a group are
/// of integers, and exact.
typedef void pg_matmul_function(
    const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out /* [tokens, out_stride] */, size_t out_stride, int32_t accumulate);

pg_matmul_function pg_matmul_portable;
#if defined(__x86_64__)
pg_matmul_function pg_matmul_avx2;
pg_matmul_function pg_matmul_avxvnni;
pg_matmul_function pg_matmul_avx512;
#elif defined(__aarch64__)
pg_matmul_function pg_matmul_neon;
#endif

#endif
