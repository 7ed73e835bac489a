// Block formats of checkpoints → fp32. Layouts: the comment on each function, in order of bytes.

#include "pg_dequantize.h"

#include <string.h>

#include "half.h"

static inline uint32_t load_u32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return value;
}

// Plain floats.

void pg_dequantize_f32(const void *restrict blocks, float *restrict out, size_t element_count) {
    if (element_count > 0)
        memcpy(out, blocks, element_count * sizeof(float));
}

void pg_dequantize_f16(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *bytes = blocks;
    for (size_t i = 0; i < element_count; i++)
        out[i] = pg_load_half(bytes + 2 * i);
}

void pg_dequantize_bf16(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *bytes = blocks;
    for (size_t i = 0; i < element_count; i++)
        out[i] = pg_bfloat_to_float(pg_load16(bytes + 2 * i));
}

// Blocks of 32: the low nibbles are weights 0…15, the high ones 16…31.

/// scale f16 · nibbles [16]: scale × (nibble − 8).
void pg_dequantize_q4_0(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 32, block += 18, out += 32) {
        const float scale = pg_load_half(block);
        for (int i = 0; i < 16; i++) {
            out[i] = scale * (float)((block[2 + i] & 15) - 8);
            out[i + 16] = scale * (float)((block[2 + i] >> 4) - 8);
        }
    }
}

/// scale f16 · minimum f16 · nibbles [16]: scale × nibble + minimum.
void pg_dequantize_q4_1(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 32, block += 20, out += 32) {
        const float scale = pg_load_half(block), minimum = pg_load_half(block + 2);
        for (int i = 0; i < 16; i++) {
            out[i] = scale * (float)(block[4 + i] & 15) + minimum;
            out[i + 16] = scale * (float)(block[4 + i] >> 4) + minimum;
        }
    }
}

/// scale f16 · fifth bits u32 · nibbles [16]: scale × (code − 16).
void pg_dequantize_q5_0(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 32, block += 22, out += 32) {
        const float scale = pg_load_half(block);
        const uint32_t high = load_u32(block + 2);
        for (int i = 0; i < 16; i++) {
            const int low_code = (block[6 + i] & 15) | (int)(high >> i & 1) << 4;
            const int high_code = (block[6 + i] >> 4) | (int)(high >> (i + 16) & 1) << 4;
            out[i] = scale * (float)(low_code - 16);
            out[i + 16] = scale * (float)(high_code - 16);
        }
    }
}

/// scale f16 · minimum f16 · fifth bits u32 · nibbles [16]: scale × code + minimum.
void pg_dequantize_q5_1(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 32, block += 24, out += 32) {
        const float scale = pg_load_half(block), minimum = pg_load_half(block + 2);
        const uint32_t high = load_u32(block + 4);
        for (int i = 0; i < 16; i++) {
            const int low_code = (block[8 + i] & 15) | (int)(high >> i & 1) << 4;
            const int high_code = (block[8 + i] >> 4) | (int)(high >> (i + 16) & 1) << 4;
            out[i] = scale * (float)low_code + minimum;
            out[i + 16] = scale * (float)high_code + minimum;
        }
    }
}

/// scale f16 · codes i8 [32]: scale × code.
void pg_dequantize_q8_0(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 32, block += 34, out += 32) {
        const float scale = pg_load_half(block);
        for (int i = 0; i < 32; i++)
            out[i] = (float)(int8_t)block[2 + i] * scale;
    }
}

// Blocks of 256, in parts of 16 or 32 weights that have a scale each.

/// scale and minimum nibbles [16] · codes 2 bit [64] · scale f16 · minimum f16. Part p of 16 weights is bits
/// 2 × (p / 2 % 4) of 16 bytes of the first (p < 8) or second half of the codes.
void pg_dequantize_q2_k(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 256, block += 84, out += 256) {
        const float scale = pg_load_half(block + 80), minimum = pg_load_half(block + 82);
        for (int part = 0; part < 16; part++) {
            const uint8_t *codes = block + 16 + part / 8 * 32 + part % 2 * 16;
            const int shift = part / 2 % 4 * 2;
            const float part_scale = scale * (float)(block[part] & 15);
            const float part_minimum = minimum * (float)(block[part] >> 4);
            for (int i = 0; i < 16; i++)
                out[part * 16 + i] = part_scale * (float)(codes[i] >> shift & 3) - part_minimum;
        }
    }
}

/// third bits [32] · codes 2 bit [64] · scales 6 bit [12] · scale f16. Codes lie as in q2_k; bit p / 2 of the third
/// bits belongs to part p, and where it is clear 4 is taken off.
void pg_dequantize_q3_k(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 256, block += 110, out += 256) {
        const uint8_t *scales = block + 96;
        const float scale = pg_load_half(block + 108);
        for (int part = 0; part < 16; part++) {
            const int low = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
            const int high = scales[8 + part % 4] >> part / 4 * 2 & 3;
            const float part_scale = scale * (float)((low | high << 4) - 32);
            const uint8_t *codes = block + 32 + part / 8 * 32 + part % 2 * 16;
            const uint8_t *third = block + part % 2 * 16;
            const int shift = part / 2 % 4 * 2;
            for (int i = 0; i < 16; i++) {
                const int code = (codes[i] >> shift & 3) - (third[i] >> part / 2 & 1 ? 0 : 4);
                out[part * 16 + i] = part_scale * (float)code;
            }
        }
    }
}

/// The 6-bit scale and minimum of part 0…7 in the 12 bytes that q4_k and q5_k share.
static inline void part_scales(const uint8_t *packed, int part, int *scale, int *minimum) {
    if (part < 4) {
        *scale = packed[part] & 63;
        *minimum = packed[part + 4] & 63;
    } else {
        *scale = (packed[part + 4] & 15) | packed[part - 4] >> 6 << 4;
        *minimum = packed[part + 4] >> 4 | packed[part] >> 6 << 4;
    }
}

/// scale f16 · minimum f16 · part scales [12] · nibbles [128]. Parts 2p and 2p + 1 are the low and the high nibbles of
/// the same 32 bytes.
void pg_dequantize_q4_k(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 256, block += 144, out += 256) {
        const float scale = pg_load_half(block), minimum = pg_load_half(block + 2);
        for (int part = 0; part < 8; part++) {
            int scale_code, minimum_code;
            part_scales(block + 4, part, &scale_code, &minimum_code);
            const float part_scale = scale * (float)scale_code, part_minimum = minimum * (float)minimum_code;
            const uint8_t *codes = block + 16 + part / 2 * 32;
            const int shift = part % 2 * 4;
            for (int i = 0; i < 32; i++)
                out[part * 32 + i] = part_scale * (float)(codes[i] >> shift & 15) - part_minimum;
        }
    }
}

/// scale f16 · minimum f16 · part scales [12] · fifth bits [32] · nibbles [128]. As q4_k; bit p of the fifth bits
/// belongs to part p.
void pg_dequantize_q5_k(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 256, block += 176, out += 256) {
        const float scale = pg_load_half(block), minimum = pg_load_half(block + 2);
        for (int part = 0; part < 8; part++) {
            int scale_code, minimum_code;
            part_scales(block + 4, part, &scale_code, &minimum_code);
            const float part_scale = scale * (float)scale_code, part_minimum = minimum * (float)minimum_code;
            const uint8_t *fifth = block + 16, *codes = block + 48 + part / 2 * 32;
            const int shift = part % 2 * 4;
            for (int i = 0; i < 32; i++) {
                const int code = (codes[i] >> shift & 15) | (fifth[i] >> part & 1) << 4;
                out[part * 32 + i] = part_scale * (float)code - part_minimum;
            }
        }
    }
}

/// low nibbles [128] · high bit pairs [64] · scales i8 [16] · scale f16: part scale × (code − 32). Runs r = 0…3 of 32
/// weights in each half: nibble r / 2 of 32 bytes, bit pair r of 32 bytes.
void pg_dequantize_q6_k(const void *restrict blocks, float *restrict out, size_t element_count) {
    const uint8_t *block = blocks;
    for (size_t first = 0; first < element_count; first += 256, block += 210, out += 256) {
        const float scale = pg_load_half(block + 208);
        for (int part = 0; part < 16; part++) {
            const int half = part / 8, run = part / 2 % 4, offset = part % 2 * 16;
            const uint8_t *low = block + half * 64 + run % 2 * 32 + offset;
            const uint8_t *high = block + 128 + half * 32 + offset;
            const float part_scale = scale * (float)(int8_t)block[192 + part];
            for (int i = 0; i < 16; i++) {
                const int code = (low[i] >> run / 2 * 4 & 15) | (high[i] >> run * 2 & 3) << 4;
                out[part * 16 + i] = part_scale * (float)(code - 32);
            }
        }
    }
}
