#include "portable.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values.
#define PG_QUERIES 1
#define PG_QUERY_COUNTS X(1)
#define PG_VECTORS(count) 1
#define PG_DIRECT_QUERIES 2
#define PG_PAIR_VECTORS(count) 1

typedef i32x16 pairs16;

PG_INLINE pairs16 load_pairs(const uint8_t *at) {
    pairs16 pairs;
    memcpy(&pairs, at, sizeof pairs);
    return pairs;
}

PG_INLINE i32x16 dot_pairs(i32x16 sums, pairs16 pairs, const int16_t *two) {
    return sums + (pairs << 16 >> 16) * two[0] + (pairs >> 16) * two[1];
}

#include "attention.h"

size_t pg_cache_head_bytes(int32_t type, int32_t head_size, int32_t block_size) {
    const size_t scales = is_coded(type) ? (size_t)block_size * sizeof(float) : 0;
    return (size_t)head_size * (size_t)block_size * cache_element_bytes(type) + scales;
}

size_t pg_attention_scratch(int32_t group_size, int32_t head_size) {
    // Keys and values of a span; for each query what `struct state` says, its codes being half as wide as floats.
    const size_t floats_each = (size_t)head_size + SPAN + 7 + head_size / 2;
    return (size_t)2 * head_size * SPAN + (size_t)PG_ATTENTION_ROWS * group_size * floats_each;
}
