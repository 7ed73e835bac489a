// What the sampler asks of a row of logits. Every function gives the same bits on every instruction set.
#ifndef PAGODA_PG_VECTOR_H
#define PAGODA_PG_VECTOR_H

#include <stdint.h>

/// The largest value of a row and where it is first; `is_nan` is set if any value is no number.
struct pg_extreme {
    float value;
    int32_t index;
    int32_t is_nan;
};

/// Shape [size], size at least 1. Without a value above −inf the index is 0.
typedef struct pg_extreme pg_argmax_function(const float *values, int32_t size);

/// The largest value of each block of `block` values (a multiple of 8); the last block may be shorter.
/// Shapes: values [size], maxima [ceil(size / block)].
typedef void pg_block_maxima_function(const float *values, int32_t size, int32_t block, float *maxima);

/// Σ exp((values[i] − shift) × scale), terms below e^−87 counting as 0. `shift` is not below any value.
typedef float pg_exp_sum_function(const float *values, int32_t size, float shift, float scale);

/// out[i] = exp((values[i] − shift) × scale), as pg_exp_sum computes its terms; `out` may be `values`.
typedef void pg_exp_function(const float *values, int32_t size, float shift, float scale, float *out);

/// values[i] = cap × tanh(values[i] / cap), in place; cap is above 0.
typedef void pg_softcap_function(float *values, int32_t size, float cap);

/// How many values are at least `threshold`.
typedef int32_t pg_count_function(const float *values, int32_t size, float threshold);

/// Writes index and value of the first `capacity` values that are at least `threshold`, in order; returns how many.
typedef int32_t pg_collect_function(
    const float *values, int32_t size, float threshold, int32_t capacity, int32_t *indices, float *collected);

pg_argmax_function pg_argmax_portable;
pg_block_maxima_function pg_block_maxima_portable;
pg_exp_sum_function pg_exp_sum_portable;
pg_exp_function pg_exp_portable;
pg_softcap_function pg_softcap_portable;
pg_count_function pg_count_portable;
pg_collect_function pg_collect_portable;
#if defined(__x86_64__)
pg_argmax_function pg_argmax_avx2;
pg_block_maxima_function pg_block_maxima_avx2;
pg_exp_sum_function pg_exp_sum_avx2;
pg_exp_function pg_exp_avx2;
pg_softcap_function pg_softcap_avx2;
pg_count_function pg_count_avx2;
pg_collect_function pg_collect_avx2;
pg_argmax_function pg_argmax_avx512;
pg_block_maxima_function pg_block_maxima_avx512;
pg_exp_sum_function pg_exp_sum_avx512;
pg_exp_function pg_exp_avx512;
pg_softcap_function pg_softcap_avx512;
pg_count_function pg_count_avx512;
pg_collect_function pg_collect_avx512;
#elif defined(__aarch64__)
pg_argmax_function pg_argmax_neon;
pg_block_maxima_function pg_block_maxima_neon;
pg_exp_sum_function pg_exp_sum_neon;
pg_exp_function pg_exp_neon;
pg_softcap_function pg_softcap_neon;
pg_count_function pg_count_neon;
pg_collect_function pg_collect_neon;
#endif

#endif
