// Row operations, for one instruction set: included by the file that chooses it and names it in PG_NAME.

#include <math.h>

#include "pg_rows.h"
#include "simd.h"

void PG_NAME(pg_rms_norm)(const float *in, const float *weight, float epsilon, int32_t size, float *out) {
    f32x8 squares = broadcast8(0);
    for (int32_t i = 0; i < size; i += 8)
        squares = fma8(load8(in + i), load8(in + i), squares);
    const f32x8 factor = broadcast8(1.0f / sqrtf(sum8(squares) / (float)size + epsilon));
    for (int32_t i = 0; i < size; i += 8)
        store8(out + i, load8(in + i) * factor * load8(weight + i));
}

void PG_NAME(pg_quantize_row)(
    const float *values, int32_t size, struct pg_activation_group *tile, int32_t token
) {
    const i32x8 magnitude = (i32x8){-1, -1, -1, -1, -1, -1, -1, -1} & 0x7fffffff;
    const f32x8 magic = broadcast8(PG_MAGIC); // adding it rounds to the nearest integer, ties to even
    for (int32_t g = 0; g < size / PG_GROUP; g++, values += PG_GROUP) {
        struct pg_activation_group *group = tile + g;
        f32x8 highest = broadcast8(0);
        for (int i = 0; i < PG_GROUP; i += 8)
            highest = max8(highest, (f32x8)((i32x8)load8(values + i) & magnitude));
        const float top = highest8(highest);
        // 127 / top would overflow where even the largest value is next to nothing.
        const float inverse = top >= 0x1p-120f ? 127.0f / top : 0;
        const float scale = pg_float_from_bits(pg_bits_from_float(top / 127.0f) & ~3u);
        i32x8 half_codes[2];
        for (int half = 0; half < 2; half++) {
            i32x8 code[2];
            for (int i = 0; i < 2; i++) {
                const f32x8 value = load8(values + half * 16 + i * 8);
                code[i] = __builtin_convertvector((value * broadcast8(inverse) + magic) - magic, i32x8);
                const i8x8 narrow = __builtin_convertvector(code[i], i8x8);
                memcpy(&group->codes[token][half * 16 + i * 8], &narrow, 8);
            }
            half_codes[half] = code[0] + code[1];
        }
        const int32_t first = sum8i(half_codes[0]), second = sum8i(half_codes[1]);
        group->scales[token] = scale;
        group->magic_scales[token] = -PG_MAGIC * scale;
        group->sums[token] = scale * (float)(first + second);
        group->half_sums[0][token] = scale * (float)first;
        group->half_sums[1][token] = scale * (float)second;
        group->starts4[token] = PG_MAGIC_BITS - 8 * (first + second);
        group->starts8[token] = PG_MAGIC_BITS - 128 * (first + second);
        group->half_starts8[0][token] = PG_MAGIC_BITS - 128 * first;
        group->half_starts8[1][token] = PG_MAGIC_BITS - 128 * second;
    }
}

void PG_NAME(pg_rotate)(
    float *heads, int32_t head_count, int32_t head_size, int32_t rotary, const float *cosines, const float *sines
) {
    const int32_t half = rotary / 2;
    for (int32_t head = 0; head < head_count; head++, heads += head_size) {
        for (int32_t i = 0; i < half; i++) {
            const float first = heads[i], second = heads[i + half];
            heads[i] = first * cosines[i] - second * sines[i];
            heads[i + half] = second * cosines[i] + first * sines[i];
        }
    }
}

void PG_NAME(pg_gate_silu)(float *gate, const float *up, int32_t size) {
    const f32x8 one = broadcast8(1.0f);
    for (int32_t i = 0; i < size; i += 8) {
        const f32x8 value = load8(gate + i);
        store8(gate + i, value / (one + exp8(-value)) * load8(up + i));
    }
}

void PG_NAME(pg_add)(const float *in, int32_t size, float *out) {
    for (int32_t i = 0; i < size; i += 8)
        store8(out + i, load8(out + i) + load8(in + i));
}
