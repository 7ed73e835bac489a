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

typedef float f32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int8_t i8x8 __attribute__((vector_size(8)));
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

PG_INLINE float sum8(f32x8 v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

PG_INLINE int32_t sum8i(i32x8 v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

PG_INLINE float highest8(f32x8 v) {
    float highest = v[0];
    for (int lane = 1; lane < 8; lane++)
        highest = v[lane] > highest ? v[lane] : highest;
    return highest;
}

/// e^x to about 1 ulp; 0 below −87, saturating above 88. Cody–Waite reduction and the Cephes polynomial of expf.
PG_INLINE f32x8 exp8(f32x8 x) {
    const i32x8 not_tiny = x > broadcast8(-87.0f);
    const f32x8 capped = -max8(-x, broadcast8(-88.0f));
    const f32x8 magic = broadcast8(12582912.0f); // 1.5 × 2^23: adding it rounds to an integer
    const f32x8 n = fma8(capped, broadcast8(1.44269504088896341f), magic) - magic;
    f32x8 r = fma8(n, broadcast8(-0.693359375f), capped);
    r = fma8(n, broadcast8(2.12194440e-4f), r);
    f32x8 p = broadcast8(1.9875691500e-4f);
    p = fma8(p, r, broadcast8(1.3981999507e-3f));
    p = fma8(p, r, broadcast8(8.3334519073e-3f));
    p = fma8(p, r, broadcast8(4.1665795894e-2f));
    p = fma8(p, r, broadcast8(1.6666665459e-1f));
    p = fma8(p, r, broadcast8(5.0000001201e-1f));
    p = fma8(p, r * r, r + broadcast8(1.0f));
    const i32x8 exponent = __builtin_convertvector(n, i32x8) << 23;
    return (f32x8)(((i32x8)p + exponent) & not_tiny);
}

#endif
