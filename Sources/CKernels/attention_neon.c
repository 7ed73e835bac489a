#if defined(__aarch64__)

#include "neon.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values.
#define PG_QUERIES 4
#define PG_QUERY_COUNTS X(4) X(3) X(1)
#define PG_VECTORS(count) 1
#define PG_DIRECT_QUERIES 8
#define PG_PAIR_VECTORS(count) 1

typedef struct {
    int16x8x2_t low, high; // 8 lanes each: their first numbers, and their second ones
} pairs16;

PG_INLINE pairs16 load_pairs(const uint8_t *at) {
    return (pairs16){vld2q_s16((const int16_t *)(const void *)at), vld2q_s16((const int16_t *)(const void *)(at + 32))};
}

PG_INLINE i32x4 dot_four(i32x16 sums, int part, int16x8_t firsts, int16x8_t seconds, const int16_t *two) {
    int32x4_t four;
    memcpy(&four, (const uint8_t *)&sums + part * 16, sizeof four);
    four = part % 2 ? vmlal_high_n_s16(four, firsts, two[0]) : vmlal_n_s16(four, vget_low_s16(firsts), two[0]);
    four = part % 2 ? vmlal_high_n_s16(four, seconds, two[1]) : vmlal_n_s16(four, vget_low_s16(seconds), two[1]);
    return (i32x4)four;
}

PG_INLINE i32x16 dot_pairs(i32x16 sums, pairs16 pairs, const int16_t *two) {
    const i32x4 fours[4] = {
        dot_four(sums, 0, pairs.low.val[0], pairs.low.val[1], two),
        dot_four(sums, 1, pairs.low.val[0], pairs.low.val[1], two),
        dot_four(sums, 2, pairs.high.val[0], pairs.high.val[1], two),
        dot_four(sums, 3, pairs.high.val[0], pairs.high.val[1], two)};
    memcpy(&sums, fours, sizeof sums);
    return sums;
}

#include "attention.h"

#pragma clang attribute pop
#endif
