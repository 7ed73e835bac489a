// Products with float weights, for one instruction set: included by the file that chooses it and says in
// PG_FLOAT_TOKENS how many tokens its registers hold sums of.
//
// Two running sums a row (even and odd columns), whatever the tile: the order of summation depends on nothing else.

#include "pg_matmul.h"
#include "simd.h"

PG_INLINE f32x16 load_weights(int32_t form, const uint8_t *panel, int32_t column) {
    if (form == PG_FORM_F32)
        return load16f((const float *)(const void *)panel + (size_t)column * PG_PANEL_ROWS);
    const uint8_t *at = panel + (size_t)column * PG_PANEL_ROWS * 2;
    if (form == PG_FORM_F16)
        return PG_LOAD_HALF16(at);
    u16x16 raw;
    memcpy(&raw, at, 32);
    return (f32x16)(__builtin_convertvector(raw, i32x16) << 16);
}

/// `count` tokens (a constant where this is called) against one panel; sums go to `sums`.
PG_INLINE void float_tile(
    int32_t form, const uint8_t *panel, int32_t columns, const float *values, int count, f32x16 *sums
) {
    f32x16 even[PG_FLOAT_TOKENS], odd[PG_FLOAT_TOKENS];
    for (int token = 0; token < count; token++)
        even[token] = odd[token] = broadcast16(0);
    int32_t column = 0;
    for (; column + 1 < columns; column += 2) {
        const f32x16 first = load_weights(form, panel, column);
        for (int token = 0; token < count; token++)
            even[token] = fma16(first, broadcast16(values[(size_t)token * columns + column]), even[token]);
        const f32x16 second = load_weights(form, panel, column + 1);
        for (int token = 0; token < count; token++)
            odd[token] = fma16(second, broadcast16(values[(size_t)token * columns + column + 1]), odd[token]);
    }
    if (column < columns)
        for (int token = 0; token < count; token++)
            even[token] = fma16(
                load_weights(form, panel, column), broadcast16(values[(size_t)token * columns + column]), even[token]);
    for (int token = 0; token < count; token++)
        sums[token] = even[token] + odd[token];
}

/// Adds or stores the sums of a panel; the last panel of a matrix may have fewer rows.
PG_INLINE void store_rows(float *out, f32x16 sums, int32_t row_count, int32_t accumulate) {
    if (row_count >= PG_PANEL_ROWS) {
        store16f(out, accumulate ? load16f(out) + sums : sums);
    } else {
        for (int32_t row = 0; row < row_count; row++)
            out[row] = accumulate ? out[row] + sums[row] : sums[row];
    }
}

PG_INLINE void matmul_float(
    int32_t form, const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    const int32_t columns = matrix->columns;
    const size_t panel_bytes = pg_panel_bytes(form, columns);
    for (int32_t index = panel_begin; index < panel_end; index++) {
        const uint8_t *panel = matrix->panels + panel_bytes * (size_t)index;
        const int32_t row = index * PG_PANEL_ROWS;
        f32x16 sums[PG_FLOAT_TOKENS];
        for (int32_t token = token_begin; token < token_end;) {
            const float *values = activations->values + (size_t)token * columns;
            const int count = token_end - token >= PG_FLOAT_TOKENS ? PG_FLOAT_TOKENS : 1;
            if (count == PG_FLOAT_TOKENS)
                float_tile(form, panel, columns, values, PG_FLOAT_TOKENS, sums);
            else
                float_tile(form, panel, columns, values, 1, sums);
            for (int i = 0; i < count; i++, token++)
                store_rows(out + (size_t)token * out_stride + row, sums[i], matrix->rows - row, accumulate);
        }
    }
}
