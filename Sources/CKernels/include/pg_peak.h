// What this machine can do at best: the limits that benchmarks of the kernels are held against.
#ifndef PAGODA_PG_PEAK_H
#define PAGODA_PG_PEAK_H

#include <stdint.h>

/// Sequences of multiply-adds whose rate is a limit of matrix products.
enum pg_peak {
    PG_PEAK_F32 = 0,   // fused multiply-adds in fp32
    PG_PEAK_INT4 = 1,  // 4-bit by 8-bit: the best sequence of the instruction set (AVX2: 16 products in 16 bits)
    PG_PEAK_INT8 = 2,  // 8-bit by 8-bit: VNNI, or three instructions (multiply, widen, add)
};

/// Runs `rounds` of a sequence on registers alone, for the instruction set `isa`; returns the number of multiply-adds.
/// 0 where there is no such sequence. `sink` gets a value that depends on all of them.
int64_t pg_peak_run(int32_t isa, int32_t peak, int64_t rounds, int32_t *sink);

/// Reads `size` bytes (a multiple of 512) once, in order; returns a value that depends on all of them.
uint64_t pg_peak_read(const uint8_t *bytes, int64_t size);

#endif
