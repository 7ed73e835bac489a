// Row operations, for one instruction set: included by the file that chooses it and names it in PG_NAME.

#include <math.h>

#include "pg_rows.h"
#include "simd.h"

void PG_NAME(pg_rms_norm)(const float *in, const float *weight, float epsilon, int32_t size, float *out) {
    f32x8 squares = broadcast8(0);
    for (int32_t i = 0; i < size; i += 8)
        squares = fma8(load8(in + i), load8(in + i), squares);
    const f32x8 factor = broadcast8(1.0f / sqrtf(sum8(squares) / (float)size + epsilon));
    for (int32_t i = 0; i < size; i += 8)
        store8(out + i, load8(in + i) * factor * load8(weight + i));
}

/// The sums of a group's codes: of its first half, and of its second.
struct half_sums {
    int32_t first, second;
};

/// Stores 32 codes, −127…127, as bytes.
PG_INLINE struct half_sums store_codes(const i32x8 codes[4], int8_t *out) {
#ifdef PG_PACKS_BYTES
    // Packing works within 128 bits: the words of each half come in the order 0 2 1 3.
    const __m256i words = _mm256_packs_epi16(
        _mm256_packs_epi32((__m256i)codes[0], (__m256i)codes[1]),
        _mm256_packs_epi32((__m256i)codes[2], (__m256i)codes[3]));
    const __m256i bytes = _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)out, bytes);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    const i32x8 fours = (i32x8)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    const i32x8 eights = fours + __builtin_shufflevector(fours, fours, 2, 3, 2, 3, 6, 7, 6, 7);
    return (struct half_sums){eights[0] + eights[1], eights[4] + eights[5]};
#else
    for (int i = 0; i < 4; i++) {
        const i8x8 narrow = __builtin_convertvector(codes[i], i8x8);
        memcpy(out + i * 8, &narrow, 8);
    }
    return (struct half_sums){sum8i(codes[0] + codes[1]), sum8i(codes[2] + codes[3])};
#endif
}

/// Stores 32 codes of 11 bits; `high` gets what is above their three lowest bits.
PG_INLINE struct half_sums store_fine_codes(const i32x8 codes[4], int8_t *high, struct pg_fine_codes *out) {
    i32x8 upper[4], lower[4];
    for (int i = 0; i < 4; i++) {
        upper[i] = codes[i] >> 3;
        lower[i] = codes[i] & 7;
        const i16x8 words = __builtin_convertvector(codes[i], i16x8);
        const i16x8 pairs = __builtin_shufflevector(words, words, 0, 2, 1, 3, 4, 6, 5, 7);
        memcpy(out->pairs + i * 8, &pairs, sizeof pairs);
    }
    const struct half_sums eights = store_codes(upper, high), ones = store_codes(lower, out->low);
    return (struct half_sums){eights.first * 8 + ones.first, eights.second * 8 + ones.second};
}

void PG_NAME(pg_quantize_row)(
    const float *values, int32_t size, struct pg_activation_group *tile, struct pg_fine_group *fine, int32_t token
) {
    const float largest = fine ? PG_LARGEST_FINE_CODE : PG_LARGEST_CODE;
    const i32x8 magnitude = (i32x8){-1, -1, -1, -1, -1, -1, -1, -1} & 0x7fffffff;
    const f32x8 magic = broadcast8(PG_MAGIC); // adding it rounds to the nearest integer, ties to even
    for (int32_t g = 0; g < size / PG_GROUP; g++, values += PG_GROUP) {
        struct pg_quantized *out = &tile[g].tokens[token];
        f32x8 highest = broadcast8(0);
        for (int i = 0; i < PG_GROUP; i += 8)
            highest = max8(highest, (f32x8)((i32x8)load8(values + i) & magnitude));
        const float top = highest8(highest);
        // The quotient would overflow where even the largest value is next to nothing.
        const float inverse = top >= largest * 0x1p-127f ? largest / top : 0;
        const float scale = pg_float_from_bits(pg_bits_from_float(top / largest) & ~3u);
        i32x8 codes[4];
        for (int i = 0; i < 4; i++) {
            // The lowest bits of 1.5 × 2^23 + code are the code's.
            const f32x8 rounded = load8(values + i * 8) * broadcast8(inverse) + magic;
            codes[i] = (i32x8)rounded - PG_MAGIC_BITS;
        }
        const struct half_sums sums =
            fine ? store_fine_codes(codes, out->codes, &fine[g].tokens[token]) : store_codes(codes, out->codes);
        const int32_t sum = sums.first + sums.second;
        out->scale = scale;
        out->magic_scale = -PG_MAGIC * scale;
        out->sum = scale * (float)sum;
        out->half_sum = scale * (float)sums.first;
        out->start4 = PG_MAGIC_BITS - 8 * sum;
        out->start8 = PG_MAGIC_BITS - 128 * sum;
        out->half_start6[0] = PG_MAGIC_BITS - 32 * sums.first;
        out->half_start6[1] = PG_MAGIC_BITS - 32 * sums.second;
    }
}

void PG_NAME(pg_rotate)(
    float *heads, int32_t head_count, int32_t head_size, int32_t rotary, const float *cosines, const float *sines
) {
    const int32_t half = rotary / 2;
    for (int32_t head = 0; head < head_count; head++, heads += head_size) {
        for (int32_t i = 0; i < half; i++) {
            const float first = heads[i], second = heads[i + half];
            heads[i] = first * cosines[i] - second * sines[i];
            heads[i + half] = second * cosines[i] + first * sines[i];
        }
    }
}

void PG_NAME(pg_gate_silu)(float *gate, const float *up, int32_t size) {
    const f32x8 one = broadcast8(1.0f);
    for (int32_t i = 0; i < size; i += 8) {
        const f32x8 value = load8(gate + i);
        store8(gate + i, value / (one + exp8(-value)) * load8(up + i));
    }
}

void PG_NAME(pg_gate_gelu)(float *gate, const float *up, int32_t size) {
    const f32x8 one = broadcast8(1.0f);
    for (int32_t i = 0; i < size; i += 8) {
        const f32x8 value = load8(gate + i);
        // (1 + tanh(u)) / 2 is 1 / (1 + e^(−2u)); 2 √(2/π) = 1.5957691216
        const f32x8 twice = value * fma8(value * value, broadcast8(0.044715f), one) * broadcast8(1.5957691216f);
        store8(gate + i, value / (one + exp8(-twice)) * load8(up + i));
    }
}

void PG_NAME(pg_add_scaled)(const float *in, float factor, int32_t size, float *out) {
    for (int32_t i = 0; i < size; i += 8)
        store8(out + i, fma8(load8(in + i), broadcast8(factor), load8(out + i)));
}

void PG_NAME(pg_add)(const float *in, int32_t size, float *out) {
    for (int32_t i = 0; i < size; i += 8)
        store8(out + i, load8(out + i) + load8(in + i));
}

void PG_NAME(pg_scale)(float factor, int32_t size, float *out) {
    for (int32_t i = 0; i < size; i += 8)
        store8(out + i, load8(out + i) * broadcast8(factor));
}
