// Eight fp32 lanes, written once for every instruction set: the compiler maps them to what the including file targets.
//
// Every operation is exact in IEEE 754 terms and every reduction has a fixed order, so that a kernel written with these
// gives the same bits on every instruction set. The including file defines PG_LOAD_HALF8 and PG_STORE_HALF8.
#ifndef PAGODA_SIMD_H
#define PAGODA_SIMD_H

#include <stdint.h>
#include <string.h>

#include "half.h"

#pragma clang diagnostic ignored "-Wpsabi"

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int8_t i8x8 __attribute__((vector_size(8)));
typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef int16_t i16x16 __attribute__((vector_size(32)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));
typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));

#define PG_INLINE static inline __attribute__((always_inline))

PG_INLINE f32x8 load8(const float *from) {
    f32x8 value;
    memcpy(&value, from, 32);
    return value;
}

PG_INLINE void store8(float *to, f32x8 value) {
    memcpy(to, &value, 32);
}

PG_INLINE f32x8 broadcast8(float value) {
    return (f32x8){value, value, value, value, value, value, value, value};
}

PG_INLINE f32x16 load16f(const float *from) {
    f32x16 value;
    memcpy(&value, from, 64);
    return value;
}

PG_INLINE void store16f(float *to, f32x16 value) {
    memcpy(to, &value, 64);
}

PG_INLINE f32x16 broadcast16(float value) {
    return (f32x16){value, value, value, value, value, value, value, value,
                    value, value, value, value, value, value, value, value};
}

PG_INLINE f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) {
    return __builtin_elementwise_fma(a, b, c);
}

/// a × b + c, rounded once.
PG_INLINE f32x8 fma8(f32x8 a, f32x8 b, f32x8 c) {
    return __builtin_elementwise_fma(a, b, c);
}

PG_INLINE f32x8 max8(f32x8 a, f32x8 b) {
    const i32x8 greater = a > b;
    return (f32x8)(((i32x8)a & greater) | ((i32x8)b & ~greater));
}

#define PG_SHUFFLE4(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)

PG_INLINE float sum8(f32x8 v) {
    const f32x4 fours = PG_SHUFFLE4(v, 0, 1, 2, 3) + PG_SHUFFLE4(v, 4, 5, 6, 7);
    const f32x4 twos = fours + PG_SHUFFLE4(fours, 2, 3, 2, 3);
    return twos[0] + twos[1];
}

PG_INLINE int32_t sum8i(i32x8 v) {
    const i32x4 fours = PG_SHUFFLE4(v, 0, 1, 2, 3) + PG_SHUFFLE4(v, 4, 5, 6, 7);
    const i32x4 twos = fours + PG_SHUFFLE4(fours, 2, 3, 2, 3);
    return twos[0] + twos[1];
}

PG_INLINE f32x4 max4(f32x4 a, f32x4 b) {
    const i32x4 greater = a > b;
    return (f32x4)(((i32x4)a & greater) | ((i32x4)b & ~greater));
}

PG_INLINE float highest8(f32x8 v) {
    const f32x4 fours = max4(PG_SHUFFLE4(v, 0, 1, 2, 3), PG_SHUFFLE4(v, 4, 5, 6, 7));
    const f32x4 twos = max4(fours, PG_SHUFFLE4(fours, 2, 3, 2, 3));
    return twos[0] > twos[1] ? twos[0] : twos[1];
}

PG_INLINE f32x16 max16(f32x16 a, f32x16 b) {
    const i32x16 greater = a > b;
    return (f32x16)(((i32x16)a & greater) | ((i32x16)b & ~greater));
}

PG_INLINE f32x8 low8(f32x16 v) {
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
}

PG_INLINE f32x8 high8(f32x16 v) {
    return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
}

/// e^x to about 1 ulp; 0 below −87, saturating above 88. Cody–Waite reduction and the Cephes polynomial of expf.
#define PG_DEFINE_EXP(NAME, VECTOR, INTEGERS, BROADCAST, FMA, MAX) \
    PG_INLINE VECTOR NAME(VECTOR x) { \
        const INTEGERS not_tiny = x > BROADCAST(-87.0f); \
        const VECTOR capped = -MAX(-x, BROADCAST(-88.0f)); \
        const VECTOR magic = BROADCAST(12582912.0f); /* 1.5 × 2^23: adding it rounds to an integer */ \
        const VECTOR n = FMA(capped, BROADCAST(1.44269504088896341f), magic) - magic; \
        VECTOR r = FMA(n, BROADCAST(-0.693359375f), capped); \
        r = FMA(n, BROADCAST(2.12194440e-4f), r); \
        VECTOR p = BROADCAST(1.9875691500e-4f); \
        p = FMA(p, r, BROADCAST(1.3981999507e-3f)); \
        p = FMA(p, r, BROADCAST(8.3334519073e-3f)); \
        p = FMA(p, r, BROADCAST(4.1665795894e-2f)); \
        p = FMA(p, r, BROADCAST(1.6666665459e-1f)); \
        p = FMA(p, r, BROADCAST(5.0000001201e-1f)); \
        p = FMA(p, r * r, r + BROADCAST(1.0f)); \
        const INTEGERS exponent = __builtin_convertvector(n, INTEGERS) << 23; \
        return (VECTOR)(((INTEGERS)p + exponent) & not_tiny); \
    }

PG_DEFINE_EXP(exp8, f32x8, i32x8, broadcast8, fma8, max8)
PG_DEFINE_EXP(exp16, f32x16, i32x16, broadcast16, fma16, max16)

/// tanh x = 2 / (1 + e^(−2x)) − 1, to about 1e-7; no number stays none.
#define PG_DEFINE_TANH(NAME, VECTOR, INTEGERS, BROADCAST, EXP) \
    PG_INLINE VECTOR NAME(VECTOR x) { \
        const INTEGERS is_number = x == x; \
        const VECTOR result = BROADCAST(2.0f) / (BROADCAST(1.0f) + EXP(x * BROADCAST(-2.0f))) - BROADCAST(1.0f); \
        return (VECTOR)(((INTEGERS)result & is_number) | ((INTEGERS)x & ~is_number)); \
    }

PG_DEFINE_TANH(tanh8, f32x8, i32x8, broadcast8, exp8)
PG_DEFINE_TANH(tanh16, f32x16, i32x16, broadcast16, exp16)

#endif
