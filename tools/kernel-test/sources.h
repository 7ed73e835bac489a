// Rows of weights in the layouts of checkpoints, made to test with.
#ifndef PAGODA_SOURCES_H
#define PAGODA_SOURCES_H

#include "check.h"

/// Bytes of a row of `columns` weights.
size_t source_bytes(int32_t source, int32_t columns);

/// The row as fp32.
void decode_source(int32_t source, const uint8_t *blocks, float *out, int32_t columns);

/// Writes a row's blocks.
typedef void fill_function(int32_t source, int32_t columns, uint8_t *blocks, struct random *random);

/// Any codes; scales of about 2^-6…2^-2, now and then 0 or subnormal.
fill_function fill_random;
/// All bits of the codes set, none, or every other byte of 8-bit codes the other extreme; scales and minima of 1.
fill_function fill_highest;
fill_function fill_lowest;
fill_function fill_alternating;

#endif
