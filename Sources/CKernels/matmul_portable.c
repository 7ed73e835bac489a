// Matrix products without special instructions: the reference of the other variants, which give the same bits.

#include "portable.h"

#include "matmul_float.h"

/// Integer form: exact sums of a group's products, then two fused multiply-adds in fp32.
static void matmul_integer(
    const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    const int32_t form = matrix->form, columns = matrix->columns, group_count = columns / PG_GROUP;
    const int is_q4 = form == PG_FORM_Q4_G32;
    const int has_minimum = is_q4 || form == PG_FORM_Q8M_G32 || form == PG_FORM_Q8M_G16;
    const int halves = form == PG_FORM_Q8_G16 || form == PG_FORM_Q8M_G16 ? 2 : 1;
    const size_t code_bytes = is_q4 ? 128 : 256, panel_bytes = pg_panel_bytes(form, columns);
    const size_t group_bytes = panel_bytes / (size_t)group_count;
    for (int32_t index = panel_begin; index < panel_end; index++) {
        for (int32_t token = token_begin; token < token_end; token++) {
            const uint8_t *group = matrix->panels + panel_bytes * (size_t)index;
            const int8_t *codes = activations->codes + (size_t)token * columns;
            const size_t first_group = (size_t)token * group_count;
            f32x8 sums = broadcast8(0);
            for (int32_t g = 0; g < group_count; g++, group += group_bytes, codes += PG_GROUP) {
                const float scale = activations->scales[first_group + g];
                for (int half = 0; half < halves; half++) {
                    const uint8_t *scales = group + code_bytes + half * 16;
                    const f32x8 weight_scales = PG_LOAD_HALF8(scales);
                    const int begin = half * 16, end = halves == 2 ? begin + 16 : PG_GROUP;
                    f32x8 products;
                    for (int row = 0; row < PG_PANEL_ROWS; row++) {
                        int32_t product = 0;
                        for (int column = begin; column < end; column++) {
                            const uint8_t byte = group[(is_q4 ? column % 16 : column) / 4 * 32 + row * 4 + column % 4];
                            const int32_t code =
                                is_q4 ? (column < 16 ? byte & 15 : byte >> 4) : (int32_t)(int8_t)byte;
                            product += code * codes[column];
                        }
                        products[row] = (float)product;
                    }
                    sums = fma8(weight_scales * broadcast8(scale), products, sums);
                    if (has_minimum) {
                        const float sum = halves == 2 ? activations->half_sums[(first_group + g) * 2 + half]
                                                      : activations->sums[first_group + g];
                        sums = fma8(PG_LOAD_HALF8(scales + halves * 16), broadcast8(sum), sums);
                    }
                }
            }
            const int32_t row = index * PG_PANEL_ROWS;
            store_sums(out + (size_t)token * out_stride + row, sums, matrix->rows - row, accumulate);
        }
    }
}

#define ARGUMENTS matrix, panel_begin, panel_end, activations, token_begin, token_end, out, out_stride, accumulate

void pg_matmul_portable(
    const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    switch (matrix->form) {
    case PG_FORM_F32: matmul_float(PG_FORM_F32, ARGUMENTS); break;
    case PG_FORM_F16: matmul_float(PG_FORM_F16, ARGUMENTS); break;
    case PG_FORM_BF16: matmul_float(PG_FORM_BF16, ARGUMENTS); break;
    default: matmul_integer(ARGUMENTS);
    }
}
