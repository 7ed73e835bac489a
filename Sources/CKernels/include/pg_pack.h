// Repacks weights from the layouts of checkpoints into panels.
#ifndef PAGODA_PG_PACK_H
#define PAGODA_PG_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "pg_matmul.h"

/// Layouts in which checkpoints store weights (GGUF's names; block sizes and bit layouts as in its specification).
enum pg_source {
    PG_SOURCE_F32 = 0,
    PG_SOURCE_F16,
    PG_SOURCE_BF16,
    PG_SOURCE_Q4_0,
    PG_SOURCE_Q4_1,
    PG_SOURCE_Q5_0,
    PG_SOURCE_Q5_1,
    PG_SOURCE_Q8_0,
    PG_SOURCE_Q2_K,
    PG_SOURCE_Q3_K,
    PG_SOURCE_Q4_K,
    PG_SOURCE_Q5_K,
    PG_SOURCE_Q6_K,
};

/// The packed form (`enum pg_form`) that keeps a source's codes as they are.
int32_t pg_form_of_source(int32_t source);

/// Packs 16 rows of a source into `panel`, in its form. `rows[i]` points at the bytes of row i, or is null for a row of
/// zeros.
void pg_pack_panel(
    int32_t source, const uint8_t *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel);

/// Packs 16 rows of fp32 values into a panel of form F32.
void pg_pack_panel_f32(const float *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel);

/// out[column] = weight of row `row` (0…15) of a panel, shape [columns].
void pg_unpack_row(int32_t form, const uint8_t *panel, int32_t row, int32_t columns, float *restrict out);

#endif
