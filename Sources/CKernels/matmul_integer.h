// Products of integer weights with activations of 8 or 11 bits, for one instruction set.
//
// The including file chooses how many rows a vector holds (PG_LANES of 32 bits: ivec, fvec), and defines
//   PG_TILES                        the token counts a tile may have, largest first, ending in 1: X(16) X(8) …
//   PG_MOST_TOKENS                  the first of them
//   broadcast(float) → fvec, load_halves(address) → fvec from fp16, multiply_add(fvec, fvec, fvec) → fvec
//   load_vector(address) → ivec
// and either
//   PG_CODE_FLIP                    what 8-bit codes are xored with, each byte
//   add_products(sums, half, vectors, codes) → ivec, on top of `sums` those of a group's products with a token's 32
//                                   codes (half 2), or of one half's (0, 1)
// or PG_STRIP_VECTORS, how many vectors of rows it takes at once, and after this file an integer_tile and a
// prepare_panel of its own.
//
// What follows is the same for all of them: the sum of a row takes its groups in turn, with the same multiply-adds in
// fp32, so that it has the same bits whatever the instruction set, the tile and the batch.

#include "forms.h"
#include "matmul_float.h"

/// How far ahead a panel is asked for that is walked only once.
#define PG_READ_AHEAD 12288

/// What comes later in memory, which every tile asks for while it computes, `step` bytes a group: the prefetchers of
/// the CPU stop at a page's end, and see no need while a panel is walked again. Asking past the last panel is harmless.
struct read_ahead {
    const uint8_t *at;
    size_t step;
};

PG_INLINE void read_ahead(struct read_ahead *ahead) {
    for (size_t line = 0; line < ahead->step; line += 64)
        __builtin_prefetch(ahead->at + line);
    ahead->at += ahead->step;
}

/// Makes the compiler keep an array in memory, and leaves the registers to others.
#define PG_IN_MEMORY(array) __asm__ volatile("" : : "r"(array) : "memory")

PG_INLINE ivec broadcast_start(int32_t value) {
    return (ivec){0} + value;
}

/// PG_MAGIC_BITS, less what a form's codes are higher than the values they stand for, summed over a group (or half).
PG_INLINE int32_t start_of(int32_t form, int half, int flips_codes, const struct pg_quantized *quantized) {
    switch (form) {
    case PG_FORM_Q3Z_G16: return PG_MAGIC_BITS + (quantized->half_start6[half] - PG_MAGIC_BITS) / 8;
    case PG_FORM_Q4Z_G32: return quantized->start4;
    case PG_FORM_Q5Z_G32: return quantized->start4 + (quantized->start4 - PG_MAGIC_BITS);
    case PG_FORM_Q6Z_G16: return quantized->half_start6[half];
    case PG_FORM_Q8_G32:
    case PG_FORM_Q8M_G32: return flips_codes ? quantized->start8 : PG_MAGIC_BITS;
    case PG_FORM_Q8M_G16:
        return flips_codes ? PG_MAGIC_BITS + 4 * (quantized->half_start6[half] - PG_MAGIC_BITS) : PG_MAGIC_BITS;
    default: return PG_MAGIC_BITS;
    }
}

/// Adds a group's (or half's) products to the sum of one token and vector of rows, scaled by both sides' scales.
PG_INLINE fvec add_scaled(
    int32_t form, int half, ivec integers, fvec weight_scales, fvec weight_minima,
    const struct pg_quantized *quantized, fvec sum
) {
    const fvec scaled =
        multiply_add((fvec)integers, broadcast(quantized->scale), broadcast(quantized->magic_scale));
    sum = multiply_add(weight_scales, scaled, sum);
    if (has_minima(form)) {
        const float code_sum = halves_of(form) == 1 ? quantized->sum
            : half == 0                             ? quantized->half_sum
                                                    : quantized->sum - quantized->half_sum;
        sum = multiply_add(weight_minima, broadcast(code_sum), sum);
    }
    return sum;
}

#define TILE_PARAMETERS \
    int32_t form, int is_fine, const uint8_t *codes, const uint8_t *scales, const uint8_t *minima, \
        int32_t group_count, const struct pg_activation_group *group, const struct pg_fine_group *fine, int32_t token, \
        int count, struct read_ahead ahead, const int16_t *prepared, fvec (*sums)[PG_STRIP_VECTORS]

/// Groups of a row that something can be prepared for.
#define PG_MOST_PREPARED 1024

#ifdef PG_STRIP_VECTORS
#define PG_OWN_TILES
PG_INLINE void integer_tile(TILE_PARAMETERS);

/// What tiles want to know of a panel that many will walk, in `space` of 16 numbers a group; null: nothing.
PG_INLINE const int16_t *prepare_panel(
    int32_t form, int is_fine, const uint8_t *codes, int32_t group_count, int32_t token_count, int16_t *space);
#else
#define PG_STRIP_VECTORS 1

/// The 8 vectors of a group's codes for a strip's rows, each code in a byte.
PG_INLINE void load_codes(int32_t form, const uint8_t *codes, ivec vectors[8]) {
    if (bits_of(form) == 8) {
        for (int v = 0; v < 8; v++)
            vectors[v] = load_vector(codes + v * 64) ^ PG_CODE_FLIP;
        return;
    }
    const int low_bits = bits_of(form) < 4 ? 2 : 4;
    for (int v = 0; v < 8 && low_bits == 2; v++)
        vectors[v] = load_vector(codes + v / 4 * 64) >> v % 4 * 2 & 0x03030303;
    for (int v = 0; v < 4 && low_bits == 4; v++) {
        const ivec pair = load_vector(codes + v * 64);
        vectors[v] = pair & 0x0f0f0f0f;
        vectors[v + 4] = pair >> 4 & 0x0f0f0f0f;
    }
    for (int v = 0; v < 8 && bits_of(form) == low_bits + 1; v++) {
        const ivec high = load_vector(codes + low_bits * 64);
        vectors[v] |= (v < low_bits ? high << (low_bits - v) : high >> (v - low_bits)) & 0x01010101 << low_bits;
    }
    for (int v = 0; v < 8 && bits_of(form) == 6; v++) {
        const ivec high = load_vector(codes + 256 + v / 4 * 64);
        vectors[v] |= (v % 4 < 3 ? high << (4 - v % 4 * 2) : high >> 2) & 0x30303030;
    }
}

/// The sums of a group's (or half's) products with a token. Fine codes are multiplied in two parts, of 8 bits and of 3.
PG_INLINE ivec group_products(
    int32_t form, int is_fine, int half, const ivec vectors[8], const struct pg_activation_group *group,
    const struct pg_fine_group *fine, int32_t token
) {
    const int part = halves_of(form) == 2 ? half : 2;
    const int8_t *codes = group->tokens[token].codes;
    const ivec start = broadcast_start(start_of(form, half, PG_CODE_FLIP != 0, &group->tokens[token]));
    if (!is_fine)
        return add_products(start, part, vectors, codes);
    const ivec eights = add_products(broadcast_start(0), part, vectors, codes);
    return add_products((eights << 3) + start, part, vectors, fine->tokens[token].low);
}

/// `count` tokens (a constant where this is called) against a strip of a panel's rows, whose first code is at `codes`.
PG_INLINE void integer_tile(TILE_PARAMETERS) {
    (void)prepared;
    const int halves = halves_of(form);
#pragma unroll
    for (int i = 0; i < count; i++)
        sums[i][0] = broadcast(0);
    for (int32_t g = 0; g < group_count; g++, group++, fine += is_fine, codes += code_bytes_of(form)) {
        read_ahead(&ahead);
        ivec vectors[8];
        load_codes(form, codes, vectors);
#pragma unroll
        for (int half = 0; half < halves; half++, scales += 2 * PG_PANEL_ROWS, minima += 2 * PG_PANEL_ROWS) {
            const fvec weight_scales = load_halves(scales);
            const fvec weight_minima = has_minima(form) ? load_halves(minima) : broadcast(0);
            ivec integers[PG_TOKEN_TILE];
#pragma unroll
            for (int i = 0; i < count; i++)
                integers[i] = group_products(form, is_fine, half, vectors, group, fine, token + i);
            if (count > 8)
                PG_IN_MEMORY(sums);
#pragma unroll
            for (int i = 0; i < count; i++)
                sums[i][0] = add_scaled(
                    form, half, integers[i], weight_scales, weight_minima, &group->tokens[token + i], sums[i][0]);
        }
    }
}
#endif

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

/// Tokens [begin, end) of a tile of activations, at `groups`, against a strip of a panel's rows; `out` is its first
/// token's.
PG_INLINE void strip_times_tokens(
    int32_t form, int is_fine, const uint8_t *codes, const uint8_t *scales, size_t scale_bytes, int32_t group_count,
    const struct pg_activation_group *groups, const struct pg_fine_group *fine, int32_t begin, int32_t end,
    struct read_ahead *ahead, size_t ahead_per_token, const int16_t *prepared, float *out, size_t out_stride,
    int32_t row_count, int32_t accumulate
) {
    for (int32_t token = begin; token < end;) {
        fvec sums[PG_TOKEN_TILE][PG_STRIP_VECTORS];
        int done = 0;
#define X(COUNT) \
    if (done == 0 && end - token >= COUNT) { \
        ahead->step = COUNT * ahead_per_token / (size_t)group_count; \
        integer_tile( \
            form, is_fine, codes, scales, scales + scale_bytes, group_count, groups, fine, token, COUNT, *ahead, \
            prepared, sums); \
        ahead->at += COUNT * ahead_per_token; \
        done = COUNT; \
    }
        PG_TILES
#undef X
        for (int i = 0; i < done; i++, token++)
            for (int v = 0; v < PG_STRIP_VECTORS && v * PG_LANES < row_count; v++)
                store_strip(
                    out + (size_t)token * out_stride + v * PG_LANES, sums[i][v], row_count - v * PG_LANES, accumulate);
    }
}

PG_INLINE void integer_panels(
    int32_t form, int is_fine, const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    const int strip_rows = PG_LANES * PG_STRIP_VECTORS;
    const int32_t group_count = matrix->columns / PG_GROUP, token_count = token_end - token_begin;
    if (token_count <= 0)
        return;
    const size_t panel_bytes = pg_panel_bytes(form, matrix->columns);
    const size_t scale_bytes = (size_t)group_count * scale_bytes_of(form);
    // What is walked many times leaves time to fetch all of the next panel; each walk asks for its share.
    const size_t distance = token_count > PG_MOST_TOKENS ? panel_bytes : PG_READ_AHEAD;
    const size_t ahead_per_token = panel_bytes / (size_t)(token_count * (PG_PANEL_ROWS / strip_rows));
    for (int32_t index = panel_begin; index < panel_end; index++) {
        const uint8_t *panel = matrix->panels + panel_bytes * (size_t)index;
        const uint8_t *panel_scales = panel + code_bytes_of(form) * group_count;
        const int32_t row_count = matrix->rows - index * PG_PANEL_ROWS;
        struct read_ahead ahead = {panel + distance, 0};
        const int16_t *prepared = NULL;
#ifdef PG_OWN_TILES
        int16_t space[PG_MOST_PREPARED * PG_PANEL_ROWS];
        prepared = prepare_panel(form, is_fine, panel, group_count, token_count, space);
#endif
        for (int32_t tile = token_begin / PG_TOKEN_TILE; tile * PG_TOKEN_TILE < token_end; tile++) {
            const size_t first_group = (size_t)tile * group_count;
            const int32_t first = tile * PG_TOKEN_TILE, begin = token_begin > first ? token_begin - first : 0;
            const int32_t end = token_end - first < PG_TOKEN_TILE ? token_end - first : PG_TOKEN_TILE;
            for (int strip = 0; strip < PG_PANEL_ROWS && strip < row_count; strip += strip_rows)
                strip_times_tokens(
                    form, is_fine, panel + strip * 4, panel_scales + strip * 2, scale_bytes, group_count,
                    activations->groups + first_group, is_fine ? activations->fine + first_group : NULL, begin, end,
                    &ahead, ahead_per_token, prepared, out + (size_t)first * out_stride + index * PG_PANEL_ROWS + strip,
                    out_stride, row_count - strip, accumulate);
        }
    }
}

PG_INLINE void matmul_integer(
    int32_t form, const struct pg_matrix *matrix, int32_t panel_begin, int32_t panel_end,
    const struct pg_activations *activations, int32_t token_begin, int32_t token_end,
    float *out, size_t out_stride, int32_t accumulate
) {
    if (activations->fine)
        integer_panels(
            form, 1, matrix, panel_begin, panel_end, activations, token_begin, token_end, out, out_stride, accumulate);
    else
        integer_panels(
            form, 0, matrix, panel_begin, panel_end, activations, token_begin, token_end, out, out_stride, accumulate);
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
    case PG_FORM_Q2_G16: matmul_integer(PG_FORM_Q2_G16, ARGUMENTS); break;
    case PG_FORM_Q3Z_G16: matmul_integer(PG_FORM_Q3Z_G16, ARGUMENTS); break;
    case PG_FORM_Q4_G32: matmul_integer(PG_FORM_Q4_G32, ARGUMENTS); break;
    case PG_FORM_Q4Z_G32: matmul_integer(PG_FORM_Q4Z_G32, ARGUMENTS); break;
    case PG_FORM_Q5_G32: matmul_integer(PG_FORM_Q5_G32, ARGUMENTS); break;
    case PG_FORM_Q5Z_G32: matmul_integer(PG_FORM_Q5Z_G32, ARGUMENTS); break;
    case PG_FORM_Q6Z_G16: matmul_integer(PG_FORM_Q6Z_G16, ARGUMENTS); break;
    case PG_FORM_Q8_G32: matmul_integer(PG_FORM_Q8_G32, ARGUMENTS); break;
    case PG_FORM_Q8M_G32: matmul_integer(PG_FORM_Q8M_G32, ARGUMENTS); break;
    default: matmul_integer(PG_FORM_Q8M_G16, ARGUMENTS); break;
    }
}
