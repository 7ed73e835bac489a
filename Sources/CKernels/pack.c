// Packing: a source's blocks → codes and scales of a group → panels. The forms are described in pg_matmul.h.

#include "pg_pack.h"

#include <string.h>

#include "forms.h"
#include "pack_sources.h"

#define INLINED static inline __attribute__((always_inline))

int32_t pg_form_of_source(int32_t source) {
    switch (source) {
    case PG_SOURCE_F32: return PG_FORM_F32;
    case PG_SOURCE_F16: return PG_FORM_F16;
    case PG_SOURCE_BF16: return PG_FORM_BF16;
    case PG_SOURCE_Q4_0: return PG_FORM_Q4Z_G32;
    case PG_SOURCE_Q4_1:
    case PG_SOURCE_Q4_K: return PG_FORM_Q4_G32;
    case PG_SOURCE_Q5_0: return PG_FORM_Q5Z_G32;
    case PG_SOURCE_Q5_1:
    case PG_SOURCE_Q5_K: return PG_FORM_Q5_G32;
    case PG_SOURCE_Q2_K: return PG_FORM_Q2_G16;
    case PG_SOURCE_Q3_K: return PG_FORM_Q3Z_G16;
    case PG_SOURCE_Q6_K: return PG_FORM_Q6Z_G16;
    default: return PG_FORM_Q8_G32;
    }
}

size_t pg_panel_bytes(int32_t form, int32_t columns) {
    switch (form) {
    case PG_FORM_F32: return (size_t)columns * PG_PANEL_ROWS * 4;
    case PG_FORM_F16:
    case PG_FORM_BF16: return (size_t)columns * PG_PANEL_ROWS * 2;
    default: {
        const size_t group = code_bytes_of(form) + scale_bytes_of(form) * (size_t)(1 + has_minima(form));
        return ((size_t)columns / PG_GROUP * group + 63) / 64 * 64;
    }
    }
}

INLINED void store32(uint8_t *at, uint32_t word) {
    memcpy(at, &word, 4);
}

INLINED void store16(uint8_t *at, uint16_t value) {
    memcpy(at, &value, 2);
}

/// So many groups of all rows, whole blocks, are packed in turn: their part of the panel stays in the first cache.
#define GROUPS_AT_ONCE 32

/// `form`, `unpack` and what a block is are constants where this is called.
INLINED void pack_blocks(
    int32_t form, void (*unpack)(const uint8_t *, struct group *), int32_t block_bytes, int32_t block_groups,
    const uint8_t *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel
) {
    const int32_t group_count = columns / PG_GROUP;
    for (int32_t first = 0; first < group_count; first += GROUPS_AT_ONCE) {
        const int32_t end = group_count - first < GROUPS_AT_ONCE ? group_count : first + GROUPS_AT_ONCE;
        for (int row = 0; row < PG_PANEL_ROWS; row++) {
            struct group groups[8] = {0};
            const size_t turn_bytes = (size_t)GROUPS_AT_ONCE / (size_t)block_groups * (size_t)block_bytes;
            for (int32_t g = first; g < end; g += block_groups) {
                const size_t at = (size_t)(g / block_groups) * (size_t)block_bytes;
                if (rows[row]) {
                    // The CPU does not see that the row goes on after fifteen others.
                    for (int32_t line = 0; line < block_bytes; line += 64)
                        __builtin_prefetch(rows[row] + at + turn_bytes + line);
                    unpack(rows[row] + at, groups);
                }
                for (int32_t i = 0; i < block_groups; i++)
                    place_group(form, &groups[i], row, g + i, group_count, panel);
            }
        }
    }
}

static void pack_panel_32(const uint8_t *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel) {
    static const uint8_t zero[4];
    for (int32_t column = 0; column < columns; column++)
        for (int row = 0; row < PG_PANEL_ROWS; row++, panel += 4)
            store32(panel, four_bytes(rows[row] ? rows[row] + (size_t)column * 4 : zero, 0));
}

void pg_pack_panel_f32(const float *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel) {
    const uint8_t *bytes[PG_PANEL_ROWS];
    for (int row = 0; row < PG_PANEL_ROWS; row++)
        bytes[row] = (const uint8_t *)rows[row];
    pack_panel_32(bytes, columns, panel);
}

/// On its own, since the compiler unrolls it less well within `pg_pack_panel`.
static void __attribute__((noinline)) pack_panel_16(
    const uint8_t *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel
) {
    for (int32_t column = 0; column < columns; column++)
        for (int row = 0; row < PG_PANEL_ROWS; row++, panel += 2)
            store16(panel, rows[row] ? pg_load16(rows[row] + (size_t)column * 2) : 0);
}

void pg_pack_panel(
    int32_t source, const uint8_t *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel
) {
#define BLOCKS(FORM, UNPACK, BYTES, GROUPS) pack_blocks(FORM, UNPACK, BYTES, GROUPS, rows, columns, panel)
    switch (source) {
    case PG_SOURCE_F32: pack_panel_32(rows, columns, panel); break;
    case PG_SOURCE_F16:
    case PG_SOURCE_BF16: pack_panel_16(rows, columns, panel); break;
    case PG_SOURCE_Q4_0: BLOCKS(PG_FORM_Q4Z_G32, unpack_q4_0, 18, 1); break;
    case PG_SOURCE_Q4_1: BLOCKS(PG_FORM_Q4_G32, unpack_q4_1, 20, 1); break;
    case PG_SOURCE_Q5_0: BLOCKS(PG_FORM_Q5Z_G32, unpack_q5_0, 22, 1); break;
    case PG_SOURCE_Q5_1: BLOCKS(PG_FORM_Q5_G32, unpack_q5_1, 24, 1); break;
    case PG_SOURCE_Q8_0: BLOCKS(PG_FORM_Q8_G32, unpack_q8_0, 34, 1); break;
    case PG_SOURCE_Q2_K: BLOCKS(PG_FORM_Q2_G16, unpack_q2_k, 84, 8); break;
    case PG_SOURCE_Q3_K: BLOCKS(PG_FORM_Q3Z_G16, unpack_q3_k, 110, 8); break;
    case PG_SOURCE_Q4_K: BLOCKS(PG_FORM_Q4_G32, unpack_q4_k, 144, 8); break;
    case PG_SOURCE_Q5_K: BLOCKS(PG_FORM_Q5_G32, unpack_q5_k, 176, 8); break;
    case PG_SOURCE_Q6_K: BLOCKS(PG_FORM_Q6Z_G16, unpack_q6_k, 210, 8); break;
    default: break;
    }
#undef BLOCKS
}

/// The code of a row (0…15) and a column (0…31) of a group.
static inline int code_at(int32_t form, const uint8_t *codes, int row, int column) {
    const size_t in_vector = (size_t)row * 4 + (size_t)column % 4;
    const int v = column / 4, bits = bits_of(form);
    if (bits == 8)
        return (int8_t)codes[(size_t)v * 64 + in_vector];
    const size_t two_bits = (size_t)(v / 4) * 64 + in_vector;
    if (bits < 4) {
        const int low = codes[two_bits] >> v % 4 * 2 & 3;
        return bits == 2 ? low : low | (codes[128 + in_vector] >> v & 1) << 2;
    }
    const int low = codes[(size_t)(v % 4) * 64 + in_vector] >> v / 4 * 4 & 15;
    switch (bits) {
    case 5: return low | (codes[256 + in_vector] >> v & 1) << 4;
    case 6: return low | (codes[256 + two_bits] >> v % 4 * 2 & 3) << 4;
    default: return low;
    }
}

void pg_unpack_row(int32_t form, const uint8_t *panel, int32_t row, int32_t columns, float *restrict out) {
    if (!is_integer_form(form)) {
        for (int32_t column = 0; column < columns; column++) {
            const size_t index = (size_t)column * PG_PANEL_ROWS + (size_t)row;
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
    const uint8_t *scales = panel + code_bytes_of(form) * (size_t)group_count + row * 2;
    const uint8_t *minima = scales + scale_bytes_of(form) * (size_t)group_count;
    for (int32_t g = 0; g < group_count; g++, panel += code_bytes_of(form), out += PG_GROUP) {
        for (int half = 0; half < halves_of(form); half++, scales += PG_PANEL_ROWS * 2, minima += PG_PANEL_ROWS * 2) {
            const float scale = pg_load_half(scales);
            const float minimum = has_minima(form) ? pg_load_half(minima) : (float)-zero_of(form) * scale;
            const int width = PG_GROUP / halves_of(form);
            for (int column = half * width; column < (half + 1) * width; column++)
                out[column] = (float)code_at(form, panel, row, column) * scale + minimum;
        }
    }
}
