// Products with float weights, for one instruction set: included by the file that chooses it.
//
// Two running sums a row (even and odd columns), whatever the tile: the order of summation depends on nothing else.

#include "pg_matmul.h"
#include "simd.h"

PG_INLINE f32x8 load_weights(int32_t form, const uint8_t *panel, int32_t column) {
    if (form == PG_FORM_F32)
        return load8((const float *)(const void *)panel + (size_t)column * 8);
    const uint8_t *at = panel + (size_t)column * 16;
    if (form == PG_FORM_F16)
        return PG_LOAD_HALF8(at);
    u16x8 raw;
    memcpy(&raw, at, 16);
    return (f32x8)(__builtin_convertvector(raw, i32x8) << 16);
}

/// `count` tokens (a constant where this is called) against one panel; sums go to `sums`.
PG_INLINE void float_tile(
    int32_t form, const uint8_t *panel, int32_t columns, const float *values, int count, f32x8 *sums
) {
    f32x8 even[4], odd[4];
    for (int token = 0; token < count; token++)
        even[token] = odd[token] = broadcast8(0);
    int32_t column = 0;
    for (; column + 1 < columns; column += 2) {
        const f32x8 first = load_weights(form, panel, column), second = load_weights(form, panel, column + 1);
        for (int token = 0; token < count; token++) {
            const float *at = values + (size_t)token * columns + column;
            even[token] = fma8(first, broadcast8(at[0]), even[token]);
            odd[token] = fma8(second, broadcast8(at[1]), odd[token]);
        }
    }
    if (column < columns)
        for (int token = 0; token < count; token++)
            even[token] = fma8(
                load_weights(form, panel, column), broadcast8(values[(size_t)token * columns + column]), even[token]);
    for (int token = 0; token < count; token++)
        sums[token] = even[token] + odd[token];
}

/// Adds or stores the sums of a panel; the last panel of a matrix may have fewer rows.
PG_INLINE void store_sums(float *out, f32x8 sums, int32_t row_count, int32_t accumulate) {
    if (row_count >= PG_PANEL_ROWS) {
        store8(out, accumulate ? load8(out) + sums : sums);
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
        f32x8 sums[4];
        for (int32_t token = token_begin; token < token_end;) {
            const float *values = activations->values + (size_t)token * columns;
            const int count = token_end - token >= 4 ? 4 : 1;
            if (count == 4)
                float_tile(form, panel, columns, values, 4, sums);
            else
                float_tile(form, panel, columns, values, 1, sums);
            for (int i = 0; i < count; i++, token++)
                store_sums(out + (size_t)token * out_stride + row, sums[i], matrix->rows - row, accumulate);
        }
    }
}
