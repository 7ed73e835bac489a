// What every Arm file begins with. Functions from here to the pop at the file's end are compiled for the dot-product
// extension of Armv8.2; NEON itself, with fused multiply-add and fp16 conversion, is in every 64-bit Arm CPU.

#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define PG_LOAD_HALF8(at) load_half8(at)
#define PG_LOAD_HALF16(at) load_half16(at)
#define PG_STORE_HALF8(at, value) store_half8(at, value)
#define PG_NAME(name) name##_neon

#include "simd.h"

PG_INLINE __attribute__((unused)) f32x8 load_half8(const void *from) {
    float16x8_t halves;
    memcpy(&halves, from, 16);
    const float32x4_t low = vcvt_f32_f16(vget_low_f16(halves)), high = vcvt_high_f32_f16(halves);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}

PG_INLINE __attribute__((unused)) f32x16 load_half16(const void *from) {
    return __builtin_shufflevector(
        load_half8(from), load_half8((const uint8_t *)from + 16), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

PG_INLINE __attribute__((unused)) void store_half8(void *to, f32x8 value) {
    const float32x4_t low = __builtin_shufflevector(value, value, 0, 1, 2, 3);
    const float32x4_t high = __builtin_shufflevector(value, value, 4, 5, 6, 7);
    const float16x8_t halves = vcvt_high_f16_f32(vcvt_f16_f32(low), high);
    memcpy(to, &halves, 16);
}
