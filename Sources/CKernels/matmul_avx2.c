// Matrix products with AVX2: 32 products an instruction, a vector is half a panel's rows.
#if defined(__x86_64__)

#include "avx2.h"
#include "pg_matmul.h"

#define PG_FLOAT_TOKENS 3
#define PG_LANES 8
#define PG_TILES X(4) X(1)
#include "vectors256.h"

PG_INLINE void load_codes(int32_t form, const uint8_t *codes, ivec vectors[8]) {
    if (form == PG_FORM_Q4_G32 || form == PG_FORM_Q4Z_G32) {
        const ivec low_halves = broadcast_start(0x0f0f0f0f);
        for (int v = 0; v < 4; v++) {
            const ivec pair = load_vector(codes + v * 64);
            vectors[v] = pair & low_halves;
            vectors[v + 4] = (pair >> 4) & low_halves;
        }
    } else {
        for (int v = 0; v < 8; v++)
            vectors[v] = (ivec)_mm256_abs_epi8((__m256i)load_vector(codes + v * 64));
    }
}

/// 4-bit codes: a 16-bit lane collects two products from each of eight vectors before it is widened: at most
/// 16 × 15 × 127 = 30,480, and no less than −30,480, so it cannot overflow.
PG_INLINE ivec products4(const ivec vectors[8], const int8_t *codes, int32_t start) {
    __m256i first = _mm256_maddubs_epi16((__m256i)vectors[0], (__m256i)broadcast_four(codes));
    __m256i second = _mm256_maddubs_epi16((__m256i)vectors[1], (__m256i)broadcast_four(codes + 4));
    for (int v = 2; v < 8; v += 2) {
        const __m256i even = _mm256_maddubs_epi16((__m256i)vectors[v], (__m256i)broadcast_four(codes + v * 4));
        const __m256i odd = _mm256_maddubs_epi16((__m256i)vectors[v + 1], (__m256i)broadcast_four(codes + v * 4 + 4));
        first = _mm256_add_epi16(first, even);
        second = _mm256_add_epi16(second, odd);
    }
    return (ivec)_mm256_madd_epi16(_mm256_add_epi16(first, second), _mm256_set1_epi16(1)) + broadcast_start(start);
}

/// Signed 8-bit codes: maddubs wants an unsigned side, which is |weight|; the activation takes the weight's sign. Two
/// products are at most 2 × 127 × 127 = 32,258, so 16 bits hold them.
PG_INLINE ivec products8(int half, const ivec magnitudes[8], const uint8_t *weights, const int8_t *codes) {
    ivec sums = broadcast_start(PG_MAGIC_BITS);
    for (int v = half == 1 ? 4 : 0; v < (half == 0 ? 4 : 8); v++) {
        const __m256i signed_codes =
            _mm256_sign_epi8((__m256i)broadcast_four(codes + v * 4), (__m256i)load_vector(weights + v * 64));
        const __m256i pairs = _mm256_maddubs_epi16((__m256i)magnitudes[v], signed_codes);
        sums += (ivec)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    }
    return sums;
}

PG_INLINE ivec products(
    int32_t form, int half, const ivec vectors[8], const uint8_t *codes_in_memory,
    const struct pg_activation_group *group, int32_t token
) {
    switch (form) {
    case PG_FORM_Q4_G32: return products4(vectors, group->codes[token], PG_MAGIC_BITS);
    case PG_FORM_Q4Z_G32: return products4(vectors, group->codes[token], group->starts4[token]);
    default: return products8(half, vectors, codes_in_memory, group->codes[token]);
    }
}

#include "matmul_integer.h"

#pragma clang attribute pop
#endif
