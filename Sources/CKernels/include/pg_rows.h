// What happens to a row of activations between the matrix products: norms, quantisation, rotation, gating, scaling.
#ifndef PAGODA_PG_ROWS_H
#define PAGODA_PG_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "pg_matmul.h"

/// out[i] = in[i] / sqrt(mean(in²) + epsilon) × weight[i], shape [size]; size is a multiple of 8.
typedef void pg_rms_norm_function(const float *in, const float *weight, float epsilon, int32_t size, float *out);

/// Quantises a token's row to 8 bits: groups of 32 share a scale of max|value| / 127. `size` is a multiple of 32.
/// `tile` is the first group of the token's tile, `token` its place in it (0…15). With `fine`, the first group of the
/// same tile, to 11 bits instead: the scale is max|value| / 1023.
typedef void pg_quantize_row_function(
    const float *values, int32_t size, struct pg_activation_group *tile, struct pg_fine_group *fine, int32_t token);

/// Rotates the first `rotary` values of each head, pairing i with i + rotary / 2.
/// Shapes: heads [head_count, head_size]; cosines and sines [rotary / 2]. rotary / 2 is a multiple of 4.
typedef void pg_rotate_function(
    float *heads, int32_t head_count, int32_t head_size, int32_t rotary, const float *cosines, const float *sines);

/// gate[i] = silu(gate[i]) × up[i], shape [size]; size is a multiple of 8.
typedef void pg_gate_silu_function(float *gate, const float *up, int32_t size);

/// gate[i] = gelu(gate[i]) × up[i] likewise, where gelu(x) = x / 2 × (1 + tanh(√(2/π) (x + 0.044715 x³))).
typedef void pg_gate_gelu_function(float *gate, const float *up, int32_t size);

/// out[i] += in[i] × factor, rounded once, shape [size]; size is a multiple of 8.
typedef void pg_add_scaled_function(const float *in, float factor, int32_t size, float *out);

/// out[i] += in[i], shape [size]; size is a multiple of 8.
typedef void pg_add_function(const float *in, int32_t size, float *out);

/// out[i] *= factor, shape [size]; size is a multiple of 8.
typedef void pg_scale_function(float factor, int32_t size, float *out);

pg_rms_norm_function pg_rms_norm_portable;
pg_quantize_row_function pg_quantize_row_portable;
pg_rotate_function pg_rotate_portable;
pg_gate_silu_function pg_gate_silu_portable;
pg_gate_gelu_function pg_gate_gelu_portable;
pg_add_scaled_function pg_add_scaled_portable;
pg_add_function pg_add_portable;
pg_scale_function pg_scale_portable;
#if defined(__x86_64__)
pg_rms_norm_function pg_rms_norm_avx2;
pg_quantize_row_function pg_quantize_row_avx2;
pg_rotate_function pg_rotate_avx2;
pg_gate_silu_function pg_gate_silu_avx2;
pg_gate_gelu_function pg_gate_gelu_avx2;
pg_add_scaled_function pg_add_scaled_avx2;
pg_add_function pg_add_avx2;
pg_scale_function pg_scale_avx2;
pg_rms_norm_function pg_rms_norm_avx512;
pg_quantize_row_function pg_quantize_row_avx512;
pg_rotate_function pg_rotate_avx512;
pg_gate_silu_function pg_gate_silu_avx512;
pg_gate_gelu_function pg_gate_gelu_avx512;
pg_add_scaled_function pg_add_scaled_avx512;
pg_add_function pg_add_avx512;
pg_scale_function pg_scale_avx512;
#elif defined(__aarch64__)
pg_rms_norm_function pg_rms_norm_neon;
pg_quantize_row_function pg_quantize_row_neon;
pg_rotate_function pg_rotate_neon;
pg_gate_silu_function pg_gate_silu_neon;
pg_gate_gelu_function pg_gate_gelu_neon;
pg_add_scaled_function pg_add_scaled_neon;
pg_add_function pg_add_neon;
pg_scale_function pg_scale_neon;
#endif

#endif
