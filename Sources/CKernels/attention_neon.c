#if defined(__aarch64__)

#include "neon.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values.
#define PG_QUERIES 4
#define PG_QUERY_COUNTS X(4) X(3) X(1)
#define PG_VECTORS(count) 1
#define PG_DIRECT_QUERIES 8
#include "attention.h"

#pragma clang attribute pop
#endif
