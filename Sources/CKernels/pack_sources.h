// Checkpoints' blocks → a group of codes, as packed forms keep them. The layouts are those of GGUF's specification.
#ifndef PAGODA_PACK_SOURCES_H
#define PAGODA_PACK_SOURCES_H

#include "half.h"
#include "pg_matmul.h"

/// A group of 32 columns of one row: weight = (code − zero of the form) × scale[half] + minimum[half]; these in fp16.
struct group {
    int8_t codes[PG_GROUP];
    uint16_t scale[2];
    uint16_t minimum[2];
};

static inline void set_scale(struct group *group, uint16_t scale, uint16_t minimum) {
    group->scale[0] = group->scale[1] = scale;
    group->minimum[0] = group->minimum[1] = minimum;
}

/// Low nibbles are the first 16 columns, high ones the last 16.
static inline void nibbles(struct group *group, const uint8_t *quants) {
    for (int i = 0; i < 16; i++) {
        group->codes[i] = (int8_t)(quants[i] & 15);
        group->codes[i + 16] = (int8_t)(quants[i] >> 4);
    }
}

/// Bit i of `high_bits` is the fifth of column i.
static inline void add_fifth_bits(struct group *group, uint32_t high_bits) {
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] |= (int8_t)((high_bits >> i & 1) << 4);
}

static inline void unpack_q4_0(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 18;
    set_scale(group, pg_load16(block), 0);
    nibbles(group, block + 2);
}

static inline void unpack_q4_1(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 20;
    set_scale(group, pg_load16(block), pg_load16(block + 2));
    nibbles(group, block + 4);
}

static inline void unpack_q5_0(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 22;
    set_scale(group, pg_load16(block), 0);
    nibbles(group, block + 6);
    add_fifth_bits(group, pg_load16(block + 2) | (uint32_t)pg_load16(block + 4) << 16);
}

static inline void unpack_q5_1(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 24;
    set_scale(group, pg_load16(block), pg_load16(block + 2));
    nibbles(group, block + 8);
    add_fifth_bits(group, pg_load16(block + 4) | (uint32_t)pg_load16(block + 6) << 16);
}

static inline void unpack_q8_0(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 34;
    set_scale(group, pg_load16(block), 0);
    // −128 has no opposite in 8 bits, which AVX2 needs; no quantiser writes it.
    for (int i = 0; i < PG_GROUP; i++) {
        const int8_t code = (int8_t)block[2 + i];
        group->codes[i] = code < -127 ? -127 : code;
    }
}

static inline void unpack_q2_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 84;
    const int part = index % 8;
    const float scale = pg_load_half(block + 80), minimum = pg_load_half(block + 82);
    const uint8_t *quants = block + 16 + part / 4 * 32;
    for (int half = 0; half < 2; half++) {
        const uint8_t packed = block[part * 2 + half];
        group->scale[half] = pg_float_to_half(scale * (float)(packed & 15));
        group->minimum[half] = pg_float_to_half(-minimum * (float)(packed >> 4));
    }
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)(quants[i] >> (part % 4 * 2) & 3);
}

/// Sub-block scale `index` (0…15) of Q3_K: four low bits in one nibble, two high bits in the last four bytes.
static inline int q3_scale(const uint8_t *scales, int index) {
    const int low = index < 8 ? scales[index] & 15 : scales[index - 8] >> 4;
    const int high = scales[8 + index % 4] >> (index / 4 * 2) & 3;
    return (low | high << 4) - 32;
}

/// Codes −4…3, kept around 32 as the form wants.
static inline void unpack_q3_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 110;
    const int part = index % 8;
    const uint8_t *high_mask = block, *quants = block + 32 + part / 4 * 32, *scales = block + 96;
    const float scale = pg_load_half(block + 108);
    for (int half = 0; half < 2; half++)
        group->scale[half] = pg_float_to_half(scale * (float)q3_scale(scales, part * 2 + half));
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)(32 - 4 + (quants[i] >> (part % 4 * 2) & 3) + (high_mask[i] >> part & 1) * 4);
}

/// Sub-block `index` (0…7) of Q4_K and Q5_K: 6-bit scale and minimum, packed in 12 bytes.
static inline void set_k_scale(const uint8_t *block, int index, struct group *group) {
    const uint8_t *scales = block + 4;
    int scale, minimum;
    if (index < 4) {
        scale = scales[index] & 63;
        minimum = scales[index + 4] & 63;
    } else {
        scale = (scales[index + 4] & 15) | scales[index - 4] >> 6 << 4;
        minimum = scales[index + 4] >> 4 | scales[index] >> 6 << 4;
    }
    set_scale(
        group, pg_float_to_half(pg_load_half(block) * (float)scale),
        pg_float_to_half(-pg_load_half(block + 2) * (float)minimum));
}

static inline void unpack_q4_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 144;
    const int part = index % 8, shift = part % 2 * 4;
    set_k_scale(block, part, group);
    const uint8_t *quants = block + 16 + part / 2 * 32;
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)(quants[i] >> shift & 15);
}

static inline void unpack_q5_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 176;
    const int part = index % 8, shift = part % 2 * 4;
    set_k_scale(block, part, group);
    const uint8_t *high = block + 16, *quants = block + 48 + part / 2 * 32;
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)((quants[i] >> shift & 15) | (high[i] >> part & 1) << 4);
}

static inline void unpack_q6_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 210;
    const int part = index % 8, quarter = part % 4, shift = quarter / 2 * 4;
    const uint8_t *low = block + part / 4 * 64 + quarter % 2 * 32, *high = block + 128 + part / 4 * 32;
    const float scale = pg_load_half(block + 208);
    for (int half = 0; half < 2; half++)
        group->scale[half] = pg_float_to_half(scale * (float)(int8_t)block[192 + part * 2 + half]);
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)((low[i] >> shift & 15) | (high[i] >> (quarter * 2) & 3) << 4);
}

#endif
