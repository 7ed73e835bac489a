#if defined(__x86_64__)

#include "avx512.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values.
#define PG_QUERIES 8
#define PG_QUERY_COUNTS X(8) X(7) X(6) X(4) X(3) X(1)
#define PG_VECTORS(count) 2
#define PG_DIRECT_QUERIES 16
#include "attention.h"

#pragma clang attribute pop
#endif
