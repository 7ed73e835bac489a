// Matrix products with AVX-512 VNNI: 64 products an instruction, a vector is a panel's 16 rows.
#if defined(__x86_64__)

#include "avx512.h"
#include "pg_matmul.h"

#define PG_FLOAT_TOKENS 8
#define PG_LANES 16
#define PG_TILES X(16) X(8) X(4) X(2) X(1)
#define PG_MOST_TOKENS 16
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
    return (ivec)_mm512_loadu_si512(at);
}

PG_INLINE ivec broadcast_four(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return (ivec)_mm512_set1_epi32(four);
}

/// Four products of unsigned and signed bytes a lane.
PG_INLINE ivec dot(ivec sums, ivec unsigned_codes, ivec signed_codes) {
    return (ivec)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)unsigned_codes, (__m512i)signed_codes);
}

#include "matmul_vnni.h"

#include "matmul_integer.h"

#pragma clang attribute pop
#endif
