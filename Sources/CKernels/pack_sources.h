// Checkpoints' blocks → a group of codes, as packed forms keep them. The layouts are those of GGUF's specification.
#ifndef PAGODA_PACK_SOURCES_H
#define PAGODA_PACK_SOURCES_H

#include "forms.h"
#include "half.h"

/// A group of 32 columns of one row: the words that a panel keeps of it, one for each bit of a code, and its scales and
/// minima (of each half) in fp16.
struct group {
    uint32_t words[8];
    uint16_t scale[2];
    uint16_t minimum[2];
};

/// Puts group `index` of a row's `count` in its place in a panel. `form` is a constant where speed counts.
static inline __attribute__((always_inline)) void place_group(
    int32_t form, const struct group *group, int row, int32_t index, int32_t count, uint8_t *restrict panel
) {
    uint8_t *words = panel + code_bytes_of(form) * (size_t)index + row * 4;
    for (int i = 0; i < bits_of(form); i++)
        memcpy(words + i * 64, &group->words[i], 4);
    uint8_t *scales = panel + code_bytes_of(form) * (size_t)count + scale_bytes_of(form) * (size_t)index + row * 2;
    uint8_t *minima = scales + scale_bytes_of(form) * (size_t)count;
    for (int half = 0; half < halves_of(form); half++) {
        memcpy(scales + half * PG_PANEL_ROWS * 2, &group->scale[half], 2);
        if (has_minima(form))
            memcpy(minima + half * PG_PANEL_ROWS * 2, &group->minimum[half], 2);
    }
}

static inline void set_scale(struct group *group, uint16_t scale, uint16_t minimum) {
    group->scale[0] = group->scale[1] = scale;
    group->minimum[0] = group->minimum[1] = minimum;
}

/// 16 bytes, whose low halves are the codes of 16 columns and whose high halves those of the other 16, are four words.
static inline void copy_nibbles(struct group *group, const uint8_t *quants) {
    memcpy(group->words, quants, 16);
}

/// The word of the fifth bits: bit v of byte b is that of column 4v + b, which is a bit of `columns`.
static inline uint32_t fifth_bits(uint32_t columns) {
    uint32_t word = 0;
    for (int byte = 0; byte < 4; byte++) {
        uint32_t bits = columns >> byte & 0x11111111;
        bits = (bits | bits >> 3) & 0x03030303;
        bits = (bits | bits >> 6) & 0x000f000f;
        word |= ((bits | bits >> 12) & 0xff) << byte * 8;
    }
    return word;
}

static inline uint32_t four_bytes(const uint8_t *bytes, int index) {
    uint32_t word;
    memcpy(&word, bytes + index * 4, 4);
    return word;
}

/// Codes of 4 bits at `shift` of 32 bytes, a column each.
static inline void set_low_bits(struct group *group, const uint8_t *quants, int shift) {
    for (int v = 0; v < 4; v++)
        group->words[v] = (four_bytes(quants, v) >> shift & 0x0f0f0f0f) |
                          (four_bytes(quants, v + 4) >> shift & 0x0f0f0f0f) << 4;
}

/// The two words of two bits, which stand at `shift` of 32 bytes, a column each.
static inline void set_two_bits(uint32_t words[2], const uint8_t *quants, int shift) {
    for (int half = 0; half < 2; half++) {
        uint32_t word = 0;
        for (int i = 0; i < 4; i++)
            word |= (four_bytes(quants, half * 4 + i) >> shift & 0x03030303) << i * 2;
        words[half] = word;
    }
}

/// The word of one bit, which stands at `shift` of 32 bytes, a column each.
static inline uint32_t one_bit(const uint8_t *quants, int shift) {
    uint32_t word = 0;
    for (int v = 0; v < 8; v++)
        word |= (four_bytes(quants, v) >> shift & 0x01010101) << v;
    return word;
}

// A block of 32 columns is one group, one of 256 is eight.

static inline void unpack_q4_0(const uint8_t *block, struct group *group) {
    set_scale(group, pg_load16(block), 0);
    copy_nibbles(group, block + 2);
}

static inline void unpack_q4_1(const uint8_t *block, struct group *group) {
    set_scale(group, pg_load16(block), pg_load16(block + 2));
    copy_nibbles(group, block + 4);
}

static inline void unpack_q5_0(const uint8_t *block, struct group *group) {
    set_scale(group, pg_load16(block), 0);
    copy_nibbles(group, block + 6);
    group->words[4] = fifth_bits(four_bytes(block + 2, 0));
}

static inline void unpack_q5_1(const uint8_t *block, struct group *group) {
    set_scale(group, pg_load16(block), pg_load16(block + 2));
    copy_nibbles(group, block + 8);
    group->words[4] = fifth_bits(four_bytes(block + 4, 0));
}

static inline void unpack_q8_0(const uint8_t *block, struct group *group) {
    typedef int8_t i8x16 __attribute__((vector_size(16)));
    set_scale(group, pg_load16(block), 0);
    for (int i = 0; i < 2; i++) {
        i8x16 codes;
        memcpy(&codes, block + 2 + i * 16, 16);
        // −128 has no opposite in 8 bits, which AVX2 needs; no quantiser writes it. A lane that is true is −1.
        codes -= codes == -128;
        memcpy(group->words + i * 4, &codes, 16);
    }
}

/// The products of a block's factor and the integers of its 16 halves of groups (or 8 groups, twice each) in fp16.
static inline void scale_halves(float factor, const int8_t *integers, uint16_t *halves) {
    for (int i = 0; i < 16; i++)
        halves[i] = pg_float_to_half(factor * (float)integers[i]);
}

/// Gives each half of eight groups its scale, and its minimum if there are any.
static inline void set_halves(struct group *groups, const uint16_t *scales, const uint16_t *minima) {
    for (int part = 0; part < 8; part++) {
        memcpy(groups[part].scale, scales + part * 2, 4);
        if (minima)
            memcpy(groups[part].minimum, minima + part * 2, 4);
    }
}

static inline void unpack_q2_k(const uint8_t *block, struct group *groups) {
    int8_t low[16], high[16];
    uint16_t scales[16], minima[16];
    for (int i = 0; i < 16; i++) {
        low[i] = block[i] & 15;
        high[i] = (int8_t)(block[i] >> 4);
    }
    scale_halves(pg_load_half(block + 80), low, scales);
    scale_halves(-pg_load_half(block + 82), high, minima);
    set_halves(groups, scales, minima);
    for (int part = 0; part < 8; part++)
        set_two_bits(groups[part].words, block + 16 + part / 4 * 32, part % 4 * 2);
}

/// Sub-block scale `index` (0…15) of Q3_K: four low bits in one nibble, two high bits in the last four bytes.
static inline int8_t q3_scale(const uint8_t *scales, int index) {
    const int low = index < 8 ? scales[index] & 15 : scales[index - 8] >> 4;
    const int high = scales[8 + index % 4] >> (index / 4 * 2) & 3;
    return (int8_t)((low | high << 4) - 32);
}

static inline void unpack_q3_k(const uint8_t *block, struct group *groups) {
    int8_t integers[16];
    uint16_t scales[16];
    for (int i = 0; i < 16; i++)
        integers[i] = q3_scale(block + 96, i);
    scale_halves(pg_load_half(block + 108), integers, scales);
    set_halves(groups, scales, 0);
    for (int part = 0; part < 8; part++) {
        set_two_bits(groups[part].words, block + 32 + part / 4 * 32, part % 4 * 2);
        groups[part].words[2] = one_bit(block, part);
    }
}

/// Scales and minima of the eight groups of Q4_K and Q5_K: factors, and 6-bit integers packed in 12 bytes.
static inline void set_k_scales(const uint8_t *block, struct group *groups) {
    const uint8_t *packed = block + 4;
    int8_t scale[16], minimum[16];
    for (int i = 0; i < 4; i++) {
        scale[i * 2] = packed[i] & 63;
        minimum[i * 2] = packed[i + 4] & 63;
        scale[8 + i * 2] = (int8_t)((packed[i + 8] & 15) | packed[i] >> 6 << 4);
        minimum[8 + i * 2] = (int8_t)(packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
    }
    for (int i = 0; i < 16; i += 2) {
        scale[i + 1] = scale[i];
        minimum[i + 1] = minimum[i];
    }
    uint16_t scales[16], minima[16];
    scale_halves(pg_load_half(block), scale, scales);
    scale_halves(-pg_load_half(block + 2), minimum, minima);
    set_halves(groups, scales, minima);
}

static inline void unpack_q4_k(const uint8_t *block, struct group *groups) {
    set_k_scales(block, groups);
    for (int part = 0; part < 8; part++)
        set_low_bits(&groups[part], block + 16 + part / 2 * 32, part % 2 * 4);
}

static inline void unpack_q5_k(const uint8_t *block, struct group *groups) {
    set_k_scales(block, groups);
    for (int part = 0; part < 8; part++) {
        set_low_bits(&groups[part], block + 48 + part / 2 * 32, part % 2 * 4);
        groups[part].words[4] = one_bit(block + 16, part);
    }
}

static inline void unpack_q6_k(const uint8_t *block, struct group *groups) {
    int8_t integers[16];
    uint16_t scales[16];
    memcpy(integers, block + 192, 16);
    scale_halves(pg_load_half(block + 208), integers, scales);
    set_halves(groups, scales, 0);
    for (int part = 0; part < 8; part++) {
        const int quarter = part % 4;
        set_low_bits(&groups[part], block + part / 4 * 64 + quarter % 2 * 32, quarter / 2 * 4);
        set_two_bits(groups[part].words + 4, block + 128 + part / 4 * 32, quarter * 2);
    }
}

#endif
