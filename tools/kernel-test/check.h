// What every group of checks uses: the variants of the kernels, fixed random inputs, comparisons and their count.
#ifndef PAGODA_CHECK_H
#define PAGODA_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "CKernels.h"

/// The kernels of one instruction set.
struct variant {
    const char *name;
    struct pg_kernels kernels;
};

/// The variants that this CPU can run, the portable one first; the count goes to `count`.
const struct variant *variants(int *count);

/// A generator of its own for each group of checks, so that groups do not depend on each other.
struct random {
    uint64_t state;
};

struct random random_from(uint64_t seed);
uint32_t random_bits(struct random *random);
/// 0 ≤ value < bound.
int32_t random_below(struct random *random, int32_t bound);
/// −1 ≤ value < 1, a multiple of 2^−23: the same on every machine.
float random_float(struct random *random);
void random_floats(struct random *random, float *out, size_t count, float factor);

/// Begins a group of checks: one line of the report.
void begin_group(const char *format, ...) __attribute__((format(printf, 1, 2)));
void end_group(void);

/// Counts a check; if it does not hold, says where.
int check(int holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Checks that two arrays are equal byte for byte.
int check_bytes(const void *actual, const void *expected, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/// Results of the portable variant go into a sum which is the same on every machine.
void digest(const void *bytes, size_t count);

/// Memory for `bytes`, zeroed; ends the program if there is none.
void *allocate(size_t bytes);

void check_formats(const char *fixtures);
void check_matmul(void);
void check_rows(void);
void check_vector(void);
void check_attention(void);
void check_pool(void);

#endif
