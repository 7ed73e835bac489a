// Conversions between fp16, bf16 and fp32 that need no special instruction. Bit layouts: IEEE 754.
#ifndef PAGODA_HALF_H
#define PAGODA_HALF_H

#include <stdint.h>
#include <string.h>

static inline float pg_float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline uint32_t pg_bits_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static inline uint16_t pg_load16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, 2);
    return value;
}

static inline float pg_half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = (half >> 10) & 31;
    const uint32_t fraction = half & 0x3ff;
    if (exponent == 31)
        return pg_float_from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) {
        // Subnormal: fraction × 2^-24, exact in fp32.
        const float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return pg_float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

/// Rounds to nearest, ties to even; overflow gives infinity. Without branches, so that a loop of it becomes vectors.
static inline uint16_t pg_float_to_half(float value) {
    const uint32_t bits = pg_bits_from_float(value), magnitude = bits & 0x7fffffff;
    // Subnormal results: adding 0.5 aligns the last bit of the half with the last bit of the sum.
    const uint32_t subnormal = pg_bits_from_float(pg_float_from_bits(magnitude) + 0.5f) - 0x3f000000;
    const uint32_t normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? 0x7e00 : half;
    return (uint16_t)((bits >> 16 & 0x8000) | half);
}

static inline float pg_bfloat_to_float(uint16_t value) {
    return pg_float_from_bits((uint32_t)value << 16);
}

/// The fp16 at an address of any alignment.
static inline float pg_load_half(const uint8_t *bytes) {
    return pg_half_to_float(pg_load16(bytes));
}

#endif
