#if defined(__x86_64__)

#include "avx2.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values. Few queries take
// more vectors, so that enough sums are under way to hide the latency of a multiply-add.
#define PG_QUERIES 6
#define PG_QUERY_COUNTS X(6) X(5) X(4) X(3) X(2) X(1)
#define PG_VECTORS(count) ((count) > 2 ? 1 : (count) > 1 ? 2 : 4)
#define PG_DIRECT_QUERIES 8
#define PG_PAIR_VECTORS(count) ((count) > 3 ? 1 : (count) > 1 ? 2 : 4)

typedef struct {
    __m256i low, high;
} pairs16;

PG_INLINE pairs16 load_pairs(const uint8_t *at) {
    return (pairs16){_mm256_loadu_si256((const __m256i *)at), _mm256_loadu_si256((const __m256i *)(at + 32))};
}

PG_INLINE i32x16 dot_pairs(i32x16 sums, pairs16 pairs, const int16_t *two) {
    int32_t both;
    memcpy(&both, two, sizeof both);
    const __m256i twos = _mm256_set1_epi32(both);
    const i32x8 low = (i32x8)_mm256_madd_epi16(pairs.low, twos), high = (i32x8)_mm256_madd_epi16(pairs.high, twos);
    return sums + __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

#include "attention.h"

#pragma clang attribute pop
#endif
