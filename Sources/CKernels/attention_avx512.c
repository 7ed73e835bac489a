#if defined(__x86_64__)

#include "avx512.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values.
#define PG_QUERIES 8
#define PG_QUERY_COUNTS X(8) X(7) X(6) X(4) X(3) X(1)
#define PG_VECTORS(count) 2
#define PG_DIRECT_QUERIES 16
#define PG_PAIR_VECTORS(count) ((count) > 4 ? 2 : 4)

typedef __m512i pairs16;

PG_INLINE pairs16 load_pairs(const uint8_t *at) {
    return _mm512_loadu_si512(at);
}

PG_INLINE i32x16 dot_pairs(i32x16 sums, pairs16 pairs, const int16_t *two) {
    int32_t both;
    memcpy(&both, two, sizeof both);
    return (i32x16)_mm512_dpwssd_epi32((__m512i)sums, pairs, _mm512_set1_epi32(both));
}

#include "attention.h"

#pragma clang attribute pop
#endif
