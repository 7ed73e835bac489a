// Matrix products with AVX2: 32 products an instruction, a lane of 32 bits for each row of a panel.
#if defined(__x86_64__)

#include "avx2.h"
#include "matmul_float.h"

/// Four activation codes in every lane.
PG_INLINE __m256i broadcast_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm256_set1_epi32(four);
}

/// Adds scale × products (+ minimum × sum) to the running sums of one token.
PG_INLINE f32x8 add_group(f32x8 sums, __m256i products, f32x8 weight_scales, float scale) {
    return fma8(weight_scales * broadcast8(scale), (f32x8)_mm256_cvtepi32_ps(products), sums);
}

/// 4-bit weights: `count` tokens against one panel.
///
/// A 16-bit lane collects two products from each of eight vectors before it is widened: at most 16 × 15 × 127 =
/// 30,480, and no less than −30,480, so it cannot overflow.
PG_INLINE void q4_tile(
    const uint8_t *group, int32_t group_count, const int8_t *codes, size_t columns,
    const float *scales, const float *group_sums, int count, f32x8 *sums
) {
    const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    for (int token = 0; token < count; token++)
        sums[token] = broadcast8(0);
    for (int32_t g = 0; g < group_count; g++, group += 160, codes += PG_GROUP) {
        __m256i weights[8];
        for (int i = 0; i < 4; i++) {
            const __m256i pair = _mm256_loadu_si256((const __m256i *)(group + i * 32));
            weights[i] = _mm256_and_si256(pair, low);
            weights[i + 4] = _mm256_and_si256(_mm256_srli_epi16(pair, 4), low);
        }
        const f32x8 weight_scales = PG_LOAD_HALF8(group + 128), minima = PG_LOAD_HALF8(group + 144);
        for (int token = 0; token < count; token++) {
            const int8_t *at = codes + (size_t)token * columns;
            __m256i first = _mm256_maddubs_epi16(weights[0], broadcast_codes(at));
            __m256i second = _mm256_maddubs_epi16(weights[1], broadcast_codes(at + 4));
            for (int i = 2; i < 8; i += 2) {
                const int8_t *codes_at = at + i * 4;
                first = _mm256_add_epi16(first, _mm256_maddubs_epi16(weights[i], broadcast_codes(codes_at)));
                second = _mm256_add_epi16(second, _mm256_maddubs_epi16(weights[i + 1], broadcast_codes(codes_at + 4)));
            }
            const __m256i products = _mm256_madd_epi16(_mm256_add_epi16(first, second), ones);
            const size_t at_group = (size_t)token * group_count + g;
            sums[token] = add_group(sums[token], products, weight_scales, scales[at_group]);
            sums[token] = fma8(minima, broadcast8(group_sums[at_group]), sums[token]);
        }
    }
}

/// Sum of the products of four vectors of signed 8-bit weights (half a group) with their activations.
///
/// maddubs wants an unsigned side: |activation| × (weight with the activation's sign). Two products are at most
/// 2 × 127 × 128 = 32,512, so 16 bits hold them.
PG_INLINE __m256i q8_half(const uint8_t *weights, const int8_t *codes) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i products = _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) {
        const __m256i weight = _mm256_loadu_si256((const __m256i *)(weights + i * 32));
        const __m256i code = broadcast_codes(codes + i * 4);
        const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8(weight, code));
        products = _mm256_add_epi32(products, _mm256_madd_epi16(pairs, ones));
    }
    return products;
}

/// 8-bit weights: `count` tokens against one panel, for scales that are shared by 32 columns or by 16.
PG_INLINE void q8_tile(
    int halves, int has_minimum, const uint8_t *group, int32_t group_count, const int8_t *codes, size_t columns,
    const float *scales, const float *group_sums, int count, f32x8 *sums
) {
    const size_t group_bytes = 256 + (size_t)16 * halves * (1 + has_minimum);
    for (int token = 0; token < count; token++)
        sums[token] = broadcast8(0);
    for (int32_t g = 0; g < group_count; g++, group += group_bytes, codes += PG_GROUP) {
        for (int token = 0; token < count; token++) {
            const int8_t *at = codes + (size_t)token * columns;
            const size_t at_group = (size_t)token * group_count + g;
            const __m256i first = q8_half(group, at), second = q8_half(group + 128, at + 16);
            const float scale = scales[at_group];
            const float *halves_at = group_sums + at_group * 2;
            if (halves == 1) {
                const __m256i products = _mm256_add_epi32(first, second);
                sums[token] = add_group(sums[token], products, PG_LOAD_HALF8(group + 256), scale);
                if (has_minimum)
                    sums[token] = fma8(PG_LOAD_HALF8(group + 272), broadcast8(group_sums[at_group]), sums[token]);
            } else {
                sums[token] = add_group(sums[token], first, PG_LOAD_HALF8(group + 256), scale);
                if (has_minimum)
                    sums[token] = fma8(PG_LOAD_HALF8(group + 288), broadcast8(halves_at[0]), sums[token]);
                sums[token] = add_group(sums[token], second, PG_LOAD_HALF8(group + 272), scale);
                if (has_minimum)
                    sums[token] = fma8(PG_LOAD_HALF8(group + 304), broadcast8(halves_at[1]), sums[token]);
            }
        }
    }
}

PG_INLINE void integer_tile(
    int32_t form, const uint8_t *panel, const struct pg_activations *activations, int32_t token, int count, f32x8 *sums
) {
    const size_t columns = (size_t)activations->columns;
    const int32_t group_count = activations->columns / PG_GROUP;
    const size_t first_group = (size_t)token * group_count;
    const int8_t *codes = activations->codes + (size_t)token * columns;
    const float *scales = activations->scales + first_group;
    const float *group_sums = activations->sums + first_group, *half_sums = activations->half_sums + first_group * 2;
    switch (form) {
    case PG_FORM_Q4_G32: q4_tile(panel, group_count, codes, columns, scales, group_sums, count, sums); break;
    case PG_FORM_Q8_G32: q8_tile(1, 0, panel, group_count, codes, columns, scales, group_sums, count, sums); break;
    case PG_FORM_Q8M_G32: q8_tile(1, 1, panel, group_count, codes, columns, scales, group_sums, count, sums); break;
    case PG_FORM_Q8_G16: q8_tile(2, 0, panel, group_count, codes, columns, scales, half_sums, count, sums); break;
    default: q8_tile(2, 1, panel, group_count, codes, columns, scales, half_sums, count, sums); break;
    }
}

PG_INLINE void matmul_integer(
    int32_t form, const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    const size_t panel_bytes = pg_panel_bytes(form, matrix->columns);
    for (int32_t index = panel_begin; index < panel_end; index++) {
        const uint8_t *panel = matrix->panels + panel_bytes * (size_t)index;
        const int32_t row = index * PG_PANEL_ROWS;
        f32x8 sums[4];
        for (int32_t token = token_begin; token < token_end;) {
            const int count = token_end - token >= 4 ? 4 : 1;
            if (count == 4)
                integer_tile(form, panel, activations, token, 4, sums);
            else
                integer_tile(form, panel, activations, token, 1, sums);
            for (int i = 0; i < count; i++, token++)
                store_sums(out + (size_t)token * out_stride + row, sums[i], matrix->rows - row, accumulate);
        }
    }
}

#define ARGUMENTS matrix, panel_begin, panel_end, activations, token_begin, token_end, out, out_stride, accumulate

void pg_matmul_avx2(
    const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    switch (matrix->form) {
    case PG_FORM_F32: matmul_float(PG_FORM_F32, ARGUMENTS); break;
    case PG_FORM_F16: matmul_float(PG_FORM_F16, ARGUMENTS); break;
    case PG_FORM_BF16: matmul_float(PG_FORM_BF16, ARGUMENTS); break;
    case PG_FORM_Q4_G32: matmul_integer(PG_FORM_Q4_G32, ARGUMENTS); break;
    case PG_FORM_Q8_G32: matmul_integer(PG_FORM_Q8_G32, ARGUMENTS); break;
    case PG_FORM_Q8M_G32: matmul_integer(PG_FORM_Q8M_G32, ARGUMENTS); break;
    case PG_FORM_Q8_G16: matmul_integer(PG_FORM_Q8_G16, ARGUMENTS); break;
    default: matmul_integer(PG_FORM_Q8M_G16, ARGUMENTS); break;
    }
}

#pragma clang attribute pop
#endif
