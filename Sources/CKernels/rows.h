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
    const float *values, int32_t size, int8_t *codes, float *scales, float *sums, float *half_sums
) {
    const i32x8 magnitude = (i32x8){-1, -1, -1, -1, -1, -1, -1, -1} & 0x7fffffff;
    const f32x8 magic = broadcast8(12582912.0f); // 1.5 × 2^23: adding it rounds to the nearest integer, ties to even
    for (int32_t g = 0; g < size / 32; g++, values += 32, codes += 32) {
        f32x8 highest = broadcast8(0);
        for (int i = 0; i < 32; i += 8)
            highest = max8(highest, (f32x8)((i32x8)load8(values + i) & magnitude));
        const float top = highest8(highest);
        const float inverse = top > 0 ? 127.0f / top : 0;
        const float scale = top / 127.0f;
        int32_t half_sum[2] = {0, 0};
        for (int i = 0; i < 32; i += 8) {
            const f32x8 rounded = (load8(values + i) * broadcast8(inverse) + magic) - magic;
            const i32x8 code = __builtin_convertvector(rounded, i32x8);
            for (int lane = 0; lane < 8; lane++) {
                codes[i + lane] = (int8_t)code[lane];
                half_sum[i / 16] += code[lane];
            }
        }
        scales[g] = scale;
        sums[g] = scale * (float)(half_sum[0] + half_sum[1]);
        half_sums[g * 2] = scale * (float)half_sum[0];
        half_sums[g * 2 + 1] = scale * (float)half_sum[1];
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
