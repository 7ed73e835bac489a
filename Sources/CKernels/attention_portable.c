#include "portable.h"

#include "attention.h"

size_t pg_attention_scratch(int32_t group_size, int32_t head_size) {
    // Keys and values of a span, scores of two queries, two floats of softmax state a query.
    return (size_t)2 * head_size * SPAN + 2 * SPAN + (size_t)2 * PG_ATTENTION_ROWS * group_size;
}
