#if defined(__x86_64__)

#include "avx2.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values.
#define PG_QUERIES 4
#define PG_QUERY_COUNTS X(4) X(3) X(1)
#define PG_SCORE_VECTORS 1
#define PG_VALUE_VECTORS 1
#include "attention.h"

#pragma clang attribute pop
#endif
