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

/// Vector v: the codes of columns 4v…4v+3.
PG_INLINE void load_codes(int32_t form, const uint8_t *codes, ivec vectors[8]) {
    const int is_4bit = form == PG_FORM_Q4_G32 || form == PG_FORM_Q4Z_G32;
    for (int v = 0; v < 8; v++) {
        uint8_t bytes[64];
        memcpy(bytes, codes + (is_4bit ? v % 4 : v) * 64, 64);
        for (int i = 0; is_4bit && i < 64; i++)
            bytes[i] = v < 4 ? bytes[i] & 15 : bytes[i] >> 4;
        memcpy(&vectors[v], bytes, 64);
    }
}

PG_INLINE ivec products(
    int32_t form, int half, const ivec vectors[8], const uint8_t *codes_in_memory,
    const struct pg_activation_group *group, int32_t token
) {
    (void)codes_in_memory;
    ivec sums;
    for (int row = 0; row < PG_LANES; row++) {
        int32_t sum = 0;
        for (int column = half == 1 ? 16 : 0; column < (half == 0 ? 16 : 32); column++) {
            const int32_t code = (int8_t)((uint32_t)vectors[column / 4][row] >> column % 4 * 8);
            sum += (form == PG_FORM_Q4Z_G32 ? code - 8 : code) * group->tokens[token].codes[column];
        }
        sums[row] = PG_MAGIC_BITS + sum;
    }
    return sums;
}

#include "matmul_integer.h"
