// Packing: a source's blocks → codes and scales of a group → panels. The forms are described in pg_matmul.h.

#include "pg_pack.h"

#include <string.h>

#include "half.h"
#include "pack_group.h"
#include "pg_matmul.h"

static inline void set_scale(struct group *group, float scale, float minimum) {
    group->scale[0] = group->scale[1] = scale;
    group->minimum[0] = group->minimum[1] = minimum;
}

/// Low nibbles are the first 16 columns, high ones the last 16; `high_bits` adds a fifth bit.
static inline void nibbles(struct group *group, const uint8_t *quants, uint32_t high_bits, int offset) {
    for (int i = 0; i < 16; i++) {
        group->codes[i] = (int8_t)((quants[i] & 15) + ((high_bits >> i & 1) << 4) - offset);
        group->codes[i + 16] = (int8_t)((quants[i] >> 4) + ((high_bits >> (i + 16) & 1) << 4) - offset);
    }
}

static void unpack_q4_0(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 18;
    const float scale = pg_load_half(block);
    set_scale(group, scale, -8.0f * scale);
    nibbles(group, block + 2, 0, 0);
}

static void unpack_q4_1(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 20;
    set_scale(group, pg_load_half(block), pg_load_half(block + 2));
    nibbles(group, block + 4, 0, 0);
}

static void unpack_q5_0(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 22;
    set_scale(group, pg_load_half(block), 0);
    nibbles(group, block + 6, pg_load16(block + 2) | (uint32_t)pg_load16(block + 4) << 16, 16);
}

static void unpack_q5_1(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 24;
    set_scale(group, pg_load_half(block), pg_load_half(block + 2));
    nibbles(group, block + 8, pg_load16(block + 4) | (uint32_t)pg_load16(block + 6) << 16, 0);
}

static void unpack_q8_0(const uint8_t *block, int index, struct group *group) {
    block += (size_t)index * 34;
    set_scale(group, pg_load_half(block), 0);
    // −128 has no opposite in 8 bits, which AVX2 needs; no quantiser writes it.
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)block[2 + i] == -128 ? -127 : (int8_t)block[2 + i];
}

static void unpack_q2_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 84;
    const int part = index % 8;
    const float scale = pg_load_half(block + 80), minimum = pg_load_half(block + 82);
    const uint8_t *quants = block + 16 + part / 4 * 32;
    for (int half = 0; half < 2; half++) {
        const uint8_t packed = block[part * 2 + half];
        group->scale[half] = scale * (float)(packed & 15);
        group->minimum[half] = -minimum * (float)(packed >> 4);
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

static void unpack_q3_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 110;
    const int part = index % 8;
    const uint8_t *high_mask = block, *quants = block + 32 + part / 4 * 32, *scales = block + 96;
    const float scale = pg_load_half(block + 108);
    for (int half = 0; half < 2; half++) {
        group->scale[half] = scale * (float)q3_scale(scales, part * 2 + half);
        group->minimum[half] = 0;
    }
    for (int i = 0; i < PG_GROUP; i++) {
        const int low = quants[i] >> (part % 4 * 2) & 3;
        group->codes[i] = (int8_t)(low - (high_mask[i] >> part & 1 ? 0 : 4));
    }
}

/// Sub-block `index` (0…7) of Q4_K and Q5_K: 6-bit scale and minimum, packed in 12 bytes.
static inline void k_scale(const uint8_t *scales, int index, int *scale, int *minimum) {
    if (index < 4) {
        *scale = scales[index] & 63;
        *minimum = scales[index + 4] & 63;
    } else {
        *scale = (scales[index + 4] & 15) | scales[index - 4] >> 6 << 4;
        *minimum = scales[index + 4] >> 4 | scales[index] >> 6 << 4;
    }
}

static void unpack_q4_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 144;
    const int part = index % 8;
    int scale, minimum;
    k_scale(block + 4, part, &scale, &minimum);
    set_scale(group, pg_load_half(block) * (float)scale, -pg_load_half(block + 2) * (float)minimum);
    const uint8_t *quants = block + 16 + part / 2 * 32;
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)(part % 2 ? quants[i] >> 4 : quants[i] & 15);
}

static void unpack_q5_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 176;
    const int part = index % 8;
    int scale, minimum;
    k_scale(block + 4, part, &scale, &minimum);
    set_scale(group, pg_load_half(block) * (float)scale, -pg_load_half(block + 2) * (float)minimum);
    const uint8_t *high = block + 16, *quants = block + 48 + part / 2 * 32;
    for (int i = 0; i < PG_GROUP; i++) {
        const int low = part % 2 ? quants[i] >> 4 : quants[i] & 15;
        group->codes[i] = (int8_t)(low | (high[i] >> part & 1) << 4);
    }
}

static void unpack_q6_k(const uint8_t *block, int index, struct group *group) {
    block += (size_t)(index / 8) * 210;
    const int part = index % 8, quarter = part % 4;
    const uint8_t *low = block + part / 4 * 64 + quarter % 2 * 32, *high = block + 128 + part / 4 * 32;
    const float scale = pg_load_half(block + 208);
    for (int half = 0; half < 2; half++) {
        group->scale[half] = scale * (float)(int8_t)block[192 + part * 2 + half];
        group->minimum[half] = 0;
    }
    for (int i = 0; i < PG_GROUP; i++) {
        const int nibble = quarter < 2 ? low[i] & 15 : low[i] >> 4;
        group->codes[i] = (int8_t)((nibble | (high[i] >> (quarter * 2) & 3) << 4) - 32);
    }
}

typedef void unpack_function(const uint8_t *row, int index, struct group *group);

static unpack_function *unpack_for(int32_t source) {
    switch (source) {
    case PG_SOURCE_Q4_0: return unpack_q4_0;
    case PG_SOURCE_Q4_1: return unpack_q4_1;
    case PG_SOURCE_Q5_0: return unpack_q5_0;
    case PG_SOURCE_Q5_1: return unpack_q5_1;
    case PG_SOURCE_Q8_0: return unpack_q8_0;
    case PG_SOURCE_Q2_K: return unpack_q2_k;
    case PG_SOURCE_Q3_K: return unpack_q3_k;
    case PG_SOURCE_Q4_K: return unpack_q4_k;
    case PG_SOURCE_Q5_K: return unpack_q5_k;
    case PG_SOURCE_Q6_K: return unpack_q6_k;
    default: return 0;
    }
}

static int32_t form_for_source(int32_t source) {
    switch (source) {
    case PG_SOURCE_F32: return PG_FORM_F32;
    case PG_SOURCE_F16: return PG_FORM_F16;
    case PG_SOURCE_BF16: return PG_FORM_BF16;
    case PG_SOURCE_Q4_0: return PG_FORM_Q4Z_G32;
    case PG_SOURCE_Q4_1:
    case PG_SOURCE_Q4_K: return PG_FORM_Q4_G32;
    case PG_SOURCE_Q5_0:
    case PG_SOURCE_Q8_0: return PG_FORM_Q8_G32;
    case PG_SOURCE_Q5_1:
    case PG_SOURCE_Q5_K: return PG_FORM_Q8M_G32;
    case PG_SOURCE_Q3_K:
    case PG_SOURCE_Q6_K: return PG_FORM_Q8_G16;
    default: return PG_FORM_Q8M_G16;
    }
}

static int is_4bit(int32_t form) {
    return form == PG_FORM_Q4_G32 || form == PG_FORM_Q4Z_G32;
}

static int has_minimum(int32_t form) {
    return form == PG_FORM_Q4_G32 || form == PG_FORM_Q8M_G32 || form == PG_FORM_Q8M_G16;
}

static int halves(int32_t form) {
    return form == PG_FORM_Q8_G16 || form == PG_FORM_Q8M_G16 ? 2 : 1;
}

int32_t pg_form_for_sources(const int32_t *sources, int32_t count) {
    const int32_t first = form_for_source(sources[0]);
    int is_uniform = 1, is_float = 0, is_all_4bit = 1, minimum = 0, two_halves = 0;
    for (int32_t i = 0; i < count; i++) {
        const int32_t form = form_for_source(sources[i]);
        is_uniform &= form == first;
        is_float |= form <= PG_FORM_BF16;
        is_all_4bit &= is_4bit(form);
        // A code around 8 is one with a minimum to all other forms.
        minimum |= has_minimum(form) || form == PG_FORM_Q4Z_G32;
        two_halves |= halves(form) == 2;
    }
    if (is_uniform)
        return first;
    if (is_float)
        return PG_FORM_F32;
    if (is_all_4bit)
        return PG_FORM_Q4_G32;
    return two_halves ? (minimum ? PG_FORM_Q8M_G16 : PG_FORM_Q8_G16) : (minimum ? PG_FORM_Q8M_G32 : PG_FORM_Q8_G32);
}

static size_t code_bytes(int32_t form) {
    return is_4bit(form) ? 256 : 512;
}

/// Bytes of a group's scales, and of its minima where it has any.
static size_t scale_bytes(int32_t form) {
    return (size_t)halves(form) * PG_PANEL_ROWS * 2;
}

size_t pg_panel_bytes(int32_t form, int32_t columns) {
    switch (form) {
    case PG_FORM_F32: return (size_t)columns * PG_PANEL_ROWS * 4;
    case PG_FORM_F16:
    case PG_FORM_BF16: return (size_t)columns * PG_PANEL_ROWS * 2;
    default: {
        const size_t group = code_bytes(form) + scale_bytes(form) * (1 + has_minimum(form));
        return ((size_t)columns / PG_GROUP * group + 63) / 64 * 64;
    }
    }
}

static inline uint32_t four_codes(const int8_t *codes) {
    uint32_t four;
    memcpy(&four, codes, 4);
    return four;
}

static void store_halves(uint8_t *at, float value) {
    const uint16_t half = pg_float_to_half(value);
    memcpy(at, &half, 2);
}

/// Puts row `row` of a group in its place: codes at `out`, scales and minima at theirs.
static inline void pack_group(
    int32_t form, const struct group *group, int row, uint8_t *out, uint8_t *scales, uint8_t *minima
) {
    for (int v = 0; v < (is_4bit(form) ? 4 : 8); v++) {
        uint32_t four = four_codes(group->codes + v * 4);
        if (is_4bit(form))
            four |= four_codes(group->codes + 16 + v * 4) << 4;
        memcpy(out + v * 64 + row * 4, &four, 4);
    }
    for (int half = 0; half < halves(form); half++) {
        store_halves(scales + (half * PG_PANEL_ROWS + row) * 2, group->scale[half]);
        if (has_minimum(form))
            store_halves(minima + (half * PG_PANEL_ROWS + row) * 2, group->minimum[half]);
    }
}

void pg_put_group(
    int32_t form, const struct group *group, int row, int32_t index, int32_t count, uint8_t *restrict panel
) {
    uint8_t *scales = panel + code_bytes(form) * (size_t)count;
    uint8_t *minima = scales + scale_bytes(form) * (size_t)count;
    pack_group(
        form, group, row, panel + code_bytes(form) * (size_t)index, scales + scale_bytes(form) * (size_t)index,
        minima + scale_bytes(form) * (size_t)index);
}

static void pack_panel_32(const uint8_t *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel) {
    static const uint8_t zero[4];
    for (int row = 0; row < PG_PANEL_ROWS; row++)
        for (int32_t column = 0; column < columns; column++)
            memcpy(panel + ((size_t)column * PG_PANEL_ROWS + row) * 4,
                   rows[row] ? rows[row] + (size_t)column * 4 : zero, 4);
}

void pg_pack_panel_f32(const float *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel) {
    const uint8_t *bytes[PG_PANEL_ROWS];
    for (int row = 0; row < PG_PANEL_ROWS; row++)
        bytes[row] = (const uint8_t *)rows[row];
    pack_panel_32(bytes, columns, panel);
}

static void pack_panel_16(const uint8_t *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel) {
    for (int row = 0; row < PG_PANEL_ROWS; row++)
        for (int32_t column = 0; column < columns; column++) {
            const uint16_t value = rows[row] ? pg_load16(rows[row] + (size_t)column * 2) : 0;
            memcpy(panel + ((size_t)column * PG_PANEL_ROWS + row) * 2, &value, 2);
        }
}

void pg_pack_panel(
    int32_t form, const int32_t sources[PG_PANEL_ROWS], const uint8_t *const rows[PG_PANEL_ROWS], int32_t columns,
    uint8_t *restrict panel
) {
    if (form == PG_FORM_F32) {
        pack_panel_32(rows, columns, panel);
    } else if (form == PG_FORM_F16 || form == PG_FORM_BF16) {
        pack_panel_16(rows, columns, panel);
    } else {
        const int32_t group_count = columns / PG_GROUP;
        uint8_t *scales = panel + code_bytes(form) * (size_t)group_count;
        uint8_t *minima = scales + scale_bytes(form) * (size_t)group_count;
        static const struct group zero;
        for (int32_t g = 0; g < group_count; g++) {
            for (int row = 0; row < PG_PANEL_ROWS; row++) {
                struct group group = zero;
                if (rows[row])
                    unpack_for(sources[row])(rows[row], g, &group);
                pack_group(form, &group, row, panel, scales, minima);
            }
            panel += code_bytes(form), scales += scale_bytes(form), minima += scale_bytes(form);
        }
    }
}

/// The code of a row (0…15) and a column (0…31) of a group.
static inline int code_at(int32_t form, const uint8_t *codes, int row, int column) {
    const size_t in_vector = (size_t)row * 4 + (size_t)column % 4;
    if (!is_4bit(form))
        return (int8_t)codes[(size_t)column / 4 * 64 + in_vector];
    const uint8_t pair = codes[(size_t)(column % 16) / 4 * 64 + in_vector];
    return column < 16 ? pair & 15 : pair >> 4;
}

void pg_unpack_row(int32_t form, const uint8_t *panel, int32_t row, int32_t columns, float *restrict out) {
    if (form <= PG_FORM_BF16) {
        for (int32_t column = 0; column < columns; column++) {
            const size_t index = (size_t)column * PG_PANEL_ROWS + row;
            if (form == PG_FORM_F32)
                memcpy(&out[column], panel + index * 4, 4);
            else if (form == PG_FORM_F16)
                out[column] = pg_load_half(panel + index * 2);
            else
                out[column] = pg_bfloat_to_float(pg_load16(panel + index * 2));
        }
        return;
    }
    const int32_t group_count = columns / PG_GROUP;
    const uint8_t *scales = panel + code_bytes(form) * (size_t)group_count + row * 2;
    const uint8_t *minima = scales + scale_bytes(form) * (size_t)group_count;
    for (int32_t g = 0; g < group_count; g++, panel += code_bytes(form), out += PG_GROUP) {
        for (int half = 0; half < halves(form); half++, scales += PG_PANEL_ROWS * 2, minima += PG_PANEL_ROWS * 2) {
            const float scale = pg_load_half(scales);
            const float minimum = has_minimum(form)          ? pg_load_half(minima)
                                  : form == PG_FORM_Q4Z_G32 ? -8.0f * scale
                                                            : 0;
            const int width = PG_GROUP / halves(form);
            for (int column = half * width; column < (half + 1) * width; column++)
                out[column] = (float)code_at(form, panel, row, column) * scale + minimum;
        }
    }
}
