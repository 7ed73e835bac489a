// Products of integer weights with 8-bit activations, for one instruction set.
//
// The including file chooses how many rows a vector holds (PG_LANES of 32 bits: ivec, fvec), and defines
//   PG_TILES                        the token counts a tile may have, largest first, ending in 1: X(16) X(8) …
//   broadcast(float) → fvec, load_halves(address) → fvec from fp16, multiply_add(fvec, fvec, fvec) → fvec,
//   load_codes(form, codes, vectors)  the 8 vectors of a group, 64 bytes apart (4-bit forms: 4 of them)
//   products(form, half, vectors, codes, group, token) → ivec, on top of PG_MAGIC_BITS the exact sums of a group's
//                                   products (half 2), or of one half's (0, 1)
// What follows is the same for all of them: the sum of a row takes its groups in turn, with the same multiply-adds in
// fp32, so that it has the same bits whatever the instruction set, the tile and the batch.

#include "matmul_float.h"

PG_INLINE int has_minima(int32_t form) {
    return form == PG_FORM_Q4_G32 || form == PG_FORM_Q8M_G32 || form == PG_FORM_Q8M_G16;
}

PG_INLINE int halves_of(int32_t form) {
    return form == PG_FORM_Q8_G16 || form == PG_FORM_Q8M_G16 ? 2 : 1;
}

PG_INLINE size_t code_bytes_of(int32_t form) {
    return form == PG_FORM_Q4_G32 || form == PG_FORM_Q4Z_G32 ? 256 : 512;
}

/// How far ahead of its use the stream of codes is asked for: the prefetchers of the CPU stop at a page's end. Reading
/// past the last panel does no harm.
#define PREFETCH_DISTANCE 4096

/// Makes the compiler keep an array in memory, and leaves the registers to others.
#define PG_IN_MEMORY(array) __asm__ volatile("" : : "r"(array) : "memory")

/// `count` tokens (a constant where this is called) against PG_LANES rows of a panel, whose first code is at `codes`.
PG_INLINE void integer_tile(
    int32_t form, const uint8_t *codes, const uint8_t *scales, const uint8_t *minima, int32_t group_count,
    const struct pg_activation_group *group, int32_t token, int count, fvec *sums
) {
    const int halves = halves_of(form);
#pragma unroll
    for (int i = 0; i < count; i++)
        sums[i] = broadcast(0);
    for (int32_t g = 0; g < group_count; g++, group++, codes += code_bytes_of(form)) {
        for (size_t line = 0; line < code_bytes_of(form); line += 64)
            __builtin_prefetch(codes + PREFETCH_DISTANCE + line);
        ivec vectors[8];
        load_codes(form, codes, vectors);
#pragma unroll
        for (int half = 0; half < halves; half++, scales += 2 * PG_PANEL_ROWS, minima += 2 * PG_PANEL_ROWS) {
            const fvec weight_scales = load_halves(scales);
            const fvec weight_minima = has_minima(form) ? load_halves(minima) : broadcast(0);
            ivec integers[PG_TOKEN_TILE];
#pragma unroll
            for (int i = 0; i < count; i++)
                integers[i] = products(form, halves == 2 ? half : 2, vectors, codes, group, token + i);
            if (count > 8)
                PG_IN_MEMORY(sums);
#pragma unroll
            for (int i = 0; i < count; i++) {
                const fvec scaled = multiply_add(
                    (fvec)integers[i], broadcast(group->scales[token + i]), broadcast(group->magic_scales[token + i]));
                fvec sum = multiply_add(weight_scales, scaled, sums[i]);
                if (has_minima(form)) {
                    const float code_sum = halves == 2 ? group->half_sums[half][token + i] : group->sums[token + i];
                    sum = multiply_add(weight_minima, broadcast(code_sum), sum);
                }
                sums[i] = sum;
            }
        }
    }
}

/// Adds or stores the sums of a strip; the last panel of a matrix may have fewer rows.
PG_INLINE void store_strip(float *out, fvec sums, int32_t row_count, int32_t accumulate) {
    if (row_count >= PG_LANES) {
        fvec before;
        memcpy(&before, out, sizeof before);
        sums = accumulate ? before + sums : sums;
        memcpy(out, &sums, sizeof sums);
    } else {
        for (int32_t row = 0; row < row_count; row++)
            out[row] = accumulate ? out[row] + sums[row] : sums[row];
    }
}

PG_INLINE void matmul_integer(
    int32_t form, const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    const int32_t group_count = matrix->columns / PG_GROUP;
    const size_t panel_bytes = pg_panel_bytes(form, matrix->columns);
    const size_t scale_bytes = (size_t)group_count * halves_of(form) * 2 * PG_PANEL_ROWS;
    for (int32_t index = panel_begin; index < panel_end; index++) {
        const uint8_t *panel = matrix->panels + panel_bytes * (size_t)index;
        const uint8_t *panel_scales = panel + code_bytes_of(form) * group_count;
        const int32_t row_count = matrix->rows - index * PG_PANEL_ROWS;
        for (int32_t first = token_begin; first < token_end; first += PG_TOKEN_TILE) {
            const struct pg_activation_group *groups =
                activations->groups + (size_t)(first / PG_TOKEN_TILE) * group_count;
            const int32_t count = token_end - first < PG_TOKEN_TILE ? token_end - first : PG_TOKEN_TILE;
            for (int strip = 0; strip < PG_PANEL_ROWS && strip < row_count; strip += PG_LANES) {
                const uint8_t *codes = panel + strip * 4, *scales = panel_scales + strip * 2;
                float *out_at = out + (size_t)first * out_stride + index * PG_PANEL_ROWS + strip;
                for (int32_t token = 0; token < count;) {
                    fvec sums[PG_TOKEN_TILE];
                    int done = 0;
#define X(COUNT) \
    if (done == 0 && count - token >= COUNT) { \
        integer_tile(form, codes, scales, scales + scale_bytes, group_count, groups, token, COUNT, sums); \
        done = COUNT; \
    }
                    PG_TILES
#undef X
                    for (int i = 0; i < done; i++, token++)
                        store_strip(out_at + (size_t)token * out_stride, sums[i], row_count - strip, accumulate);
                }
            }
        }
    }
}

#define ARGUMENTS matrix, panel_begin, panel_end, activations, token_begin, token_end, out, out_stride, accumulate

void PG_NAME(pg_matmul)(
    const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    switch (matrix->form) {
    case PG_FORM_F32: matmul_float(PG_FORM_F32, ARGUMENTS); break;
    case PG_FORM_F16: matmul_float(PG_FORM_F16, ARGUMENTS); break;
    case PG_FORM_BF16: matmul_float(PG_FORM_BF16, ARGUMENTS); break;
    case PG_FORM_Q4_G32: matmul_integer(PG_FORM_Q4_G32, ARGUMENTS); break;
    case PG_FORM_Q4Z_G32: matmul_integer(PG_FORM_Q4Z_G32, ARGUMENTS); break;
    case PG_FORM_Q8_G32: matmul_integer(PG_FORM_Q8_G32, ARGUMENTS); break;
    case PG_FORM_Q8M_G32: matmul_integer(PG_FORM_Q8M_G32, ARGUMENTS); break;
    case PG_FORM_Q8_G16: matmul_integer(PG_FORM_Q8_G16, ARGUMENTS); break;
    default: matmul_integer(PG_FORM_Q8M_G16, ARGUMENTS); break;
    }
}
