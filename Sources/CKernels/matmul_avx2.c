// Matrix products with AVX2: 32 products an instruction, two vectors hold a panel's rows.
#if defined(__x86_64__)

#include "avx2.h"
#include "pg_matmul.h"

#define PG_FLOAT_TOKENS 3
#define PG_LANES 8
#define PG_STRIP_VECTORS 2
#define PG_TILES X(4) X(2) X(1)
#define PG_MOST_TOKENS 4
#include "vectors256.h"
#include "matmul_integer.h"

typedef __m256i bytes;

PG_INLINE bytes load_bytes(const void *at) {
    return _mm256_loadu_si256((const __m256i *)at);
}

// Four columns of all rows times four codes of one token, four tokens at a time: each code is loaded once for both
// vectors of rows, and 8 sums, 4 weights, 2 products and a constant fill the 16 registers. This is assembly, and kept
// in its order, because compilers load codes ahead of their use, for which there are no registers, and so by way of
// memory.

/// Unsigned weights of up to 6 bits: adds to sums of 16 bits, or starts them (FIRST).
#define MULTIPLY_ADD_NARROW(FIRST, ROWS, FOUR, WORDS) \
    do { \
        bytes product_, four_; \
        if (FIRST) \
            __asm__ volatile("vpbroadcastd %[four], %[f]\n\t" \
                    "vpmaddubsw %[f], %[row0], %[words0]\n\t" \
                    "vpmaddubsw %[f], %[row1], %[words1]" \
                    : [words0] "=&x"((WORDS)[0]), [words1] "=&x"((WORDS)[1]), [f] "=&x"(four_) \
                    : [row0] "x"((ROWS)[0]), [row1] "x"((ROWS)[1]), [four] "m"(FOUR)); \
        else \
            __asm__ volatile("vpbroadcastd %[four], %[f]\n\t" \
                    "vpmaddubsw %[f], %[row0], %[p]\n\t" \
                    "vpmaddubsw %[f], %[row1], %[f]\n\t" \
                    "vpaddw %[p], %[words0], %[words0]\n\t" \
                    "vpaddw %[f], %[words1], %[words1]" \
                    : [words0] "+x"((WORDS)[0]), [words1] "+x"((WORDS)[1]), [p] "=&x"(product_), [f] "=&x"(four_) \
                    : [row0] "x"((ROWS)[0]), [row1] "x"((ROWS)[1]), [four] "m"(FOUR)); \
    } while (0)

/// Signed 8-bit weights: adds to sums of 32 bits. maddubs wants an unsigned side, which is |weight|; the activation
/// takes the weight's sign (OPERATION is vpsignb, SIGNS are the weights), or its bits are inverted where the weight is
/// negative (vpxor, a mask), which gives −activation − 1. Two products are at most 2 × 127 × 128 = 32,512, so 16 bits
/// hold them.
#define MULTIPLY_ADD8(OPERATION, SIGNS, MAGNITUDES, ONES, FOUR, SUMS) \
    do { \
        bytes product_, four_; \
        __asm__ volatile("vpbroadcastd %[four], %[f]\n\t" \
                OPERATION " %[sign0], %[f], %[p]\n\t" \
                OPERATION " %[sign1], %[f], %[f]\n\t" \
                "vpmaddubsw %[p], %[magnitude0], %[p]\n\t" \
                "vpmaddubsw %[f], %[magnitude1], %[f]\n\t" \
                "vpmaddwd %[ones], %[p], %[p]\n\t" \
                "vpmaddwd %[ones], %[f], %[f]\n\t" \
                "vpaddd %[p], %[sums0], %[sums0]\n\t" \
                "vpaddd %[f], %[sums1], %[sums1]" \
                : [sums0] "+x"((SUMS)[0]), [sums1] "+x"((SUMS)[1]), [p] "=&x"(product_), [f] "=&x"(four_) \
                : [sign0] "x"((SIGNS)[0]), [sign1] "x"((SIGNS)[1]), [magnitude0] "x"((MAGNITUDES)[0]), \
                  [magnitude1] "x"((MAGNITUDES)[1]), [ones] "x"(ONES), [four] "m"(FOUR)); \
    } while (0)

/// Weights of 16 bits and fine codes, two columns of all rows: adds to sums of 32 bits.
#define MULTIPLY_ADD16(ROWS, TWO, SUMS) \
    do { \
        bytes product_, two_; \
        __asm__ volatile("vpbroadcastd %[two], %[t]\n\t" \
                "vpmaddwd %[t], %[row0], %[p]\n\t" \
                "vpmaddwd %[t], %[row1], %[t]\n\t" \
                "vpaddd %[p], %[sums0], %[sums0]\n\t" \
                "vpaddd %[t], %[sums1], %[sums1]" \
                : [sums0] "+x"((SUMS)[0]), [sums1] "+x"((SUMS)[1]), [p] "=&x"(product_), [t] "=&x"(two_) \
                : [row0] "x"((ROWS)[0]), [row1] "x"((ROWS)[1]), [two] "m"(TWO)); \
    } while (0)

/// Columns 4v…4v+3 of a token's codes.
PG_INLINE const int32_t *four_codes(const struct pg_activation_group *group, int32_t token, int v) {
    return (const int32_t *)(const void *)(group->tokens[token].codes + v * 4);
}

/// The bits of a plane's bytes that `mask` has, once they are moved to the left; `left` is negative to the right.
PG_INLINE bytes plane_bits(const uint8_t *plane, int left, int8_t mask) {
    const bytes all = load_bytes(plane);
    const bytes moved = left > 0 ? _mm256_slli_epi16(all, left) : left < 0 ? _mm256_srli_epi16(all, -left) : all;
    return _mm256_and_si256(moved, _mm256_set1_epi8(mask));
}

/// Vector v of a group's codes narrower than 8 bits, for half r of a panel's rows.
PG_INLINE bytes unpack_codes(int32_t form, const uint8_t *codes, int v, int r) {
    const int low_bits = bits_of(form) < 4 ? 2 : 4, high_bits = bits_of(form) - low_bits;
    codes += r * 32;
    const bytes low = low_bits == 2 ? plane_bits(codes + v / 4 * 64, -(v % 4 * 2), 3)
                                    : plane_bits(codes + v % 4 * 64, -(v / 4 * 4), 15);
    const uint8_t *high = codes + low_bits * 64;
    switch (high_bits) {
    case 0: return low;
    case 1: return _mm256_or_si256(low, plane_bits(high, low_bits - v, (int8_t)(1 << low_bits)));
    default: return _mm256_or_si256(low, plane_bits(high + v / 4 * 64, low_bits - v % 4 * 2, (int8_t)(3 << low_bits)));
    }
}

/// Vectors [first, last) of a group of codes narrower than 8 bits. A 16-bit lane collects two products from each of as
/// many vectors as cannot make it overflow, before it is widened: eight of 4-bit codes (at most 16 × 15 × 127 = 30,480
/// either way), four of 5-bit ones (8 × 31 × 127 = 31,496), two of 6-bit ones (4 × 63 × 127 = 32,004). A half has four.
PG_INLINE void products_narrow(
    int32_t form, int half, const uint8_t *codes, int first, int last, const struct pg_activation_group *group,
    int32_t token, int count, ivec (*integers)[2]
) {
    const int span = bits_of(form) == 6 ? 2 : bits_of(form) == 5 || halves_of(form) == 2 ? 4 : 8;
#pragma unroll
    for (int begin = first; begin < last; begin += span) {
        bytes words[4][2];
#pragma unroll
        for (int v = begin; v < begin + span; v++) {
            const bytes rows[2] = {unpack_codes(form, codes, v, 0), unpack_codes(form, codes, v, 1)};
#pragma unroll
            for (int i = 0; i < count; i++)
                MULTIPLY_ADD_NARROW(v == begin, rows, *four_codes(group, token + i, v), words[i]);
        }
#pragma unroll
        for (int i = 0; i < count; i++) {
            const ivec start = broadcast_start(start_of(form, half, 0, &group->tokens[token + i]));
            for (int r = 0; r < 2; r++)
                integers[i][r] = (ivec)_mm256_madd_epi16(words[i][r], _mm256_set1_epi16(1)) +
                                 (begin == first ? start : integers[i][r]);
        }
        if (count > 2 && begin + span < last)
            PG_IN_MEMORY(integers);
    }
}

/// What many tokens want to know of 8-bit codes: −Σ of the negative ones, for each row and group, or half of one. That
/// is what inverted activations lack of negated ones. Negating is bound by two pipes, which multiply as well; inverting
/// is not, but the sum has to be found first, which pays for two tiles or more.
PG_INLINE const int16_t *prepare_panel(
    int32_t form, int is_fine, const uint8_t *codes, int32_t group_count, int32_t token_count, int16_t *space
) {
    const int halves = halves_of(form);
    if (bits_of(form) < 8 || is_fine || token_count < 2 * PG_MOST_TOKENS || group_count * halves > PG_MOST_PREPARED)
        return NULL;
    const bytes ones = _mm256_set1_epi8(1), minus_ones = _mm256_set1_epi16(-1), zero = _mm256_setzero_si256();
    for (int32_t part = 0; part < group_count * halves; part++, codes += code_bytes_of(form) / (size_t)halves)
        for (int r = 0; r < 2; r++) {
            bytes words = zero;
            for (int v = 0; v < 8 / halves; v++) {
                const bytes negative = _mm256_min_epi8(load_bytes(codes + v * 64 + r * 32), zero);
                words = _mm256_add_epi16(words, _mm256_maddubs_epi16(ones, negative));
            }
            const i16x8 sums = __builtin_convertvector((ivec)_mm256_madd_epi16(words, minus_ones), i16x8);
            memcpy(space + (size_t)part * PG_PANEL_ROWS + r * 8, &sums, sizeof sums);
        }
    return space;
}

/// 8-bit codes: vectors [first, last) of a group, or half of one, for which `negatives` was prepared, or null.
PG_INLINE void products8(
    const uint8_t *codes, int first, int last, const struct pg_activation_group *group, int32_t token, int count,
    const int16_t *negatives, ivec (*integers)[2]
) {
    const bytes ones = _mm256_set1_epi16(1);
#pragma unroll
    for (int r = 0; r < 2; r++) {
        ivec start = broadcast_start(PG_MAGIC_BITS);
        if (negatives)
            start += (ivec)_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(negatives + r * 8)));
#pragma unroll
        for (int i = 0; i < count; i++)
            integers[i][r] = start;
    }
#pragma unroll
    for (int v = first; v < last; v++) {
        const bytes rows[2] = {load_bytes(codes + v * 64), load_bytes(codes + v * 64 + 32)};
        const bytes magnitudes[2] = {_mm256_abs_epi8(rows[0]), _mm256_abs_epi8(rows[1])};
        const bytes zero = _mm256_setzero_si256();
        const bytes masks[2] = {_mm256_cmpgt_epi8(zero, rows[0]), _mm256_cmpgt_epi8(zero, rows[1])};
#pragma unroll
        for (int i = 0; i < count; i++)
            if (negatives)
                MULTIPLY_ADD8("vpxor", masks, magnitudes, ones, *four_codes(group, token + i, v), integers[i]);
            else
                MULTIPLY_ADD8("vpsignb", rows, magnitudes, ones, *four_codes(group, token + i, v), integers[i]);
    }
}

/// Columns 4v and 4v+2 of a token's fine codes, or 4v+1 and 4v+3.
PG_INLINE const int32_t *two_codes(const struct pg_fine_group *fine, int32_t token, int v, int is_odd) {
    return (const int32_t *)(const void *)(fine->tokens[token].pairs + v * 4 + is_odd * 2);
}

/// Fine codes: vectors [first, last) of a group. Weights are unsigned, 8-bit ones with 128 added, so that two
/// instructions widen them; what that adds to a sum is in where it starts.
PG_INLINE void products_fine(
    int32_t form, int half, const uint8_t *codes, int first, int last, const struct pg_activation_group *group,
    const struct pg_fine_group *fine, int32_t token, int count, ivec (*integers)[2]
) {
#pragma unroll
    for (int i = 0; i < count; i++)
        integers[i][0] = integers[i][1] = broadcast_start(start_of(form, half, 1, &group->tokens[token + i]));
#pragma unroll
    for (int v = first; v < last; v++) {
        bytes even[2], odd[2];
        for (int r = 0; r < 2; r++) {
            const bytes row = bits_of(form) < 8
                ? unpack_codes(form, codes, v, r)
                : _mm256_xor_si256(load_bytes(codes + v * 64 + r * 32), _mm256_set1_epi8(-128));
            even[r] = _mm256_and_si256(row, _mm256_set1_epi16(0xff));
            odd[r] = _mm256_srli_epi16(row, 8);
        }
#pragma unroll
        for (int i = 0; i < count; i++) {
            MULTIPLY_ADD16(even, *two_codes(fine, token + i, v, 0), integers[i]);
            MULTIPLY_ADD16(odd, *two_codes(fine, token + i, v, 1), integers[i]);
        }
    }
}

/// `count` tokens (a constant where this is called) against a panel's rows.
PG_INLINE void integer_tile(TILE_PARAMETERS) {
    const int halves = halves_of(form);
#pragma unroll
    for (int i = 0; i < count; i++)
        sums[i][0] = sums[i][1] = broadcast(0);
    for (int32_t g = 0; g < group_count; g++, group++, fine += is_fine, codes += code_bytes_of(form)) {
        read_ahead(&ahead);
#pragma unroll
        for (int half = 0; half < halves; half++, scales += 2 * PG_PANEL_ROWS, minima += 2 * PG_PANEL_ROWS) {
            ivec integers[4][2];
            const int first = half * 4, last = halves == 2 ? half * 4 + 4 : 8;
            if (is_fine)
                products_fine(form, half, codes, first, last, group, fine, token, count, integers);
            else if (bits_of(form) < 8)
                products_narrow(form, half, codes, first, last, group, token, count, integers);
            else if (prepared)
                products8(codes, first, last, group, token, count, prepared, integers);
            else
                products8(codes, first, last, group, token, count, NULL, integers);
            if (prepared)
                prepared += PG_PANEL_ROWS;
            const fvec weight_scales[2] = {load_halves(scales), load_halves(scales + PG_PANEL_ROWS)};
            fvec weight_minima[2] = {broadcast(0), broadcast(0)};
            for (int r = 0; r < 2 && has_minima(form); r++)
                weight_minima[r] = load_halves(minima + r * PG_PANEL_ROWS);
#pragma unroll
            for (int i = 0; i < count; i++) {
                for (int r = 0; r < 2; r++)
                    sums[i][r] = add_scaled(
                        form, half, integers[i][r], weight_scales[r], weight_minima[r], &group->tokens[token + i],
                        sums[i][r]);
                if (count > 2)
                    PG_IN_MEMORY(sums);
            }
        }
    }
}

#pragma clang attribute pop
#endif
