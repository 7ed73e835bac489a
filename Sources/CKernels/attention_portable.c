#include "portable.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values.
#define PG_QUERIES 1
#define PG_QUERY_COUNTS X(1)
#define PG_SCORE_VECTORS 1
#define PG_VALUE_VECTORS 1
#include "attention.h"

size_t pg_attention_scratch(int32_t group_size, int32_t head_size) {
    // Keys and values of a span; for each query the values' sum, the weights, a correction, and two times the two floats
    // of a softmax.
    return (size_t)2 * head_size * SPAN + (size_t)PG_ATTENTION_ROWS * group_size * (head_size + SPAN + 5);
}
