// Packs matrices of integer codes with scales and zero points, as quantisers publish them, and quantises fp32 rows.
#ifndef PAGODA_PG_CODES_H
#define PAGODA_PG_CODES_H

#include <stddef.h>
#include <stdint.h>

#include "pg_matmul.h"

/// A matrix of unsigned integers of 2 to 8 bits in little-endian 32-bit words. Either its rows or its columns are
/// streams of bits, from the low end of a word to the high one and on to the stream's next word.
struct pg_integers {
    const uint8_t *words;
    int32_t bits;
    int32_t streams_are_rows;
    size_t word_step;       // words from a word of a stream to its next
    size_t stream_step;     // words from a stream to the next
    int32_t is_interleaved; // 4 bits: the eight values of a word stand in AWQ's order 0 2 4 6 1 3 5 7
    int32_t is_signed;      // 8 bits: two's complement, read as value + 128
};

/// out[column] = the integer at `row` and `column`, for columns [0, columns).
void pg_read_integers(const struct pg_integers *integers, int32_t row, int32_t columns, uint8_t *restrict out);

/// A row of weights: weight[column] = scales[g] × (code[column] − zeros[g]) where g = groups[column].
struct pg_code_row {
    const struct pg_integers *codes;
    int32_t row;
    const int32_t *groups; // [columns]
    const float *scales;   // [groups]
    const int16_t *zeros;  // [groups]
};

/// Whether a code less its zero point is outside −127…127. `scratch`: [columns], here and below.
int32_t pg_exceeds_8bit(const struct pg_code_row *row, int32_t columns, uint8_t *restrict scratch);

/// out[column] = weight[column], exact but for one rounding.
void pg_decode_code_row(
    const struct pg_code_row *row, int32_t columns, uint8_t *restrict scratch, float *restrict out);

/// Packs 16 rows into a panel of an integer form; a row whose `codes` is null is one of zeros. Column i of the panel
/// is column order[i] of the rows, or column i if `order` is null; the 32 columns of a group, or the 16 of each half in
/// G16 forms, share a scale.
///
/// Q4_G32 keeps codes as they are, Q4Z_G32 and Q6Z_G16 less their zero point plus 8 or 32, 8-bit forms less their zero
/// point; forms with minima move those of a group, all by as much, where they are outside −127…127. If they
/// span all 256 values, the last one is one step off.
void pg_pack_code_panel(
    int32_t form, const struct pg_code_row rows[PG_PANEL_ROWS], const int32_t *order, int32_t columns,
    uint8_t *restrict scratch, uint8_t *restrict panel);

/// Quantises 16 fp32 rows (null for one of zeros) into a panel of form Q8_G32 (scale max|w| / 127) or Q4_G32 (from the
/// least to the greatest weight of a group), rounding to nearest.
void pg_quantize_panel(
    int32_t form, const float *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel);

#endif
