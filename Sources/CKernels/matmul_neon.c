// Matrix products with NEON's dot product: 16 products of signed bytes an instruction, a vector is half a panel's rows
// in two registers.
#if defined(__aarch64__)

#include "neon.h"
#include "pg_matmul.h"

#define PG_FLOAT_TOKENS 3
#define PG_LANES 8
#define PG_TILES X(4) X(1)
#define PG_MOST_TOKENS 4
typedef i32x8 ivec;
typedef f32x8 fvec;

PG_INLINE fvec broadcast(float value) {
    return broadcast8(value);
}

PG_INLINE fvec load_halves(const uint8_t *at) {
    return PG_LOAD_HALF8(at);
}

PG_INLINE fvec multiply_add(fvec a, fvec b, fvec c) {
    return fma8(a, b, c);
}

PG_INLINE ivec load_vector(const uint8_t *at) {
    ivec vector;
    memcpy(&vector, at, sizeof vector);
    return vector;
}

PG_INLINE int8x16_t low_rows(ivec vector) {
    return (int8x16_t)__builtin_shufflevector(vector, vector, 0, 1, 2, 3);
}

PG_INLINE int8x16_t high_rows(ivec vector) {
    return (int8x16_t)__builtin_shufflevector(vector, vector, 4, 5, 6, 7);
}

#define PG_CODE_FLIP 0

/// Adds the products of four vectors with 16 activation codes, four of them for each vector.
#define ADD_PRODUCTS(SUMS, ROWS, VECTORS, CODES) \
    do { \
        SUMS = vdotq_laneq_s32(SUMS, ROWS((VECTORS)[0]), CODES, 0); \
        SUMS = vdotq_laneq_s32(SUMS, ROWS((VECTORS)[1]), CODES, 1); \
        SUMS = vdotq_laneq_s32(SUMS, ROWS((VECTORS)[2]), CODES, 2); \
        SUMS = vdotq_laneq_s32(SUMS, ROWS((VECTORS)[3]), CODES, 3); \
    } while (0)

PG_INLINE ivec add_products(ivec sums, int half, const ivec vectors[8], const int8_t *token) {
    int32x4_t low = (int32x4_t)low_rows(sums), high = (int32x4_t)high_rows(sums);
    if (half != 1) {
        const int8x16_t codes = vld1q_s8(token);
        ADD_PRODUCTS(low, low_rows, vectors, codes);
        ADD_PRODUCTS(high, high_rows, vectors, codes);
    }
    if (half != 0) {
        const int8x16_t codes = vld1q_s8(token + 16);
        ADD_PRODUCTS(low, low_rows, vectors + 4, codes);
        ADD_PRODUCTS(high, high_rows, vectors + 4, codes);
    }
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}

#include "matmul_integer.h"

#pragma clang attribute pop
#endif
