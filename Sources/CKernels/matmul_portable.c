// Matrix products without special instructions: the reference of the other variants, which give the same bits.

#include "portable.h"
#include "pg_matmul.h"

#define PG_FLOAT_TOKENS 2
#define PG_LANES 16
#define PG_TILES X(1)
#define PG_MOST_TOKENS 1
typedef i32x16 ivec;
typedef f32x16 fvec;

PG_INLINE fvec broadcast(float value) {
    return broadcast16(value);
}

PG_INLINE fvec load_halves(const uint8_t *at) {
    return PG_LOAD_HALF16(at);
}

PG_INLINE fvec multiply_add(fvec a, fvec b, fvec c) {
    return fma16(a, b, c);
}

PG_INLINE ivec load_vector(const uint8_t *at) {
    ivec vector;
    memcpy(&vector, at, sizeof vector);
    return vector;
}

#define PG_CODE_FLIP 0

PG_INLINE ivec add_products(ivec sums, int half, const ivec vectors[8], const int8_t *codes) {
    for (int row = 0; row < PG_LANES; row++)
        for (int column = half == 1 ? 16 : 0; column < (half == 0 ? 16 : 32); column++)
            sums[row] += (int8_t)((uint32_t)vectors[column / 4][row] >> column % 4 * 8) * codes[column];
    return sums;
}

#include "matmul_integer.h"
