// Weights of a checkpoint as fp32: exactly the values that their format defines.
#ifndef PAGODA_PG_DEQUANTIZE_H
#define PAGODA_PG_DEQUANTIZE_H

#include <stddef.h>

/// Decodes `element_count` weights, a multiple of the format's block, from `blocks` (any alignment, little endian).
/// The layouts are those of GGUF; each value is made by the same fp32 operations in the same order as in its reference
/// implementation, so that results agree bit for bit.
typedef void pg_dequantize_function(const void *restrict blocks, float *restrict out, size_t element_count);

pg_dequantize_function pg_dequantize_f32;
pg_dequantize_function pg_dequantize_f16;
pg_dequantize_function pg_dequantize_bf16;
// Blocks of 32 weights.
pg_dequantize_function pg_dequantize_q4_0;
pg_dequantize_function pg_dequantize_q4_1;
pg_dequantize_function pg_dequantize_q5_0;
pg_dequantize_function pg_dequantize_q5_1;
pg_dequantize_function pg_dequantize_q8_0;
// Blocks of 256 weights.
pg_dequantize_function pg_dequantize_q2_k;
pg_dequantize_function pg_dequantize_q3_k;
pg_dequantize_function pg_dequantize_q4_k;
pg_dequantize_function pg_dequantize_q5_k;
pg_dequantize_function pg_dequantize_q6_k;

#endif
