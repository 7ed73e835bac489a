#include "portable.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values.
#define PG_QUERIES 1
#define PG_QUERY_COUNTS X(1)
#define PG_VECTORS(count) 1
#define PG_DIRECT_QUERIES 2
#include "attention.h"

size_t pg_cache_head_bytes(int32_t type, int32_t head_size, int32_t block_size) {
    const size_t scales = type == PG_CACHE_INT8 ? (size_t)block_size * sizeof(float) : 0;
    return (size_t)head_size * (size_t)block_size * cache_element_bytes(type) + scales;
}

size_t pg_attention_scratch(int32_t group_size, int32_t head_size) {
    // Keys and values of a span; for each query the values' sum, the weights, a correction, and two times the two
    // floats of a softmax.
    return (size_t)2 * head_size * SPAN + (size_t)PG_ATTENTION_ROWS * group_size * (head_size + SPAN + 5);
}
