#if defined(__x86_64__)

#include "avx2.h"

// The registers hold the sums of so many queries by so many vectors of 16 positions, or of 16 values. Few queries take
// more vectors, so that enough sums are under way to hide the latency of a multiply-add.
#define PG_QUERIES 6
#define PG_QUERY_COUNTS X(6) X(5) X(4) X(3) X(2) X(1)
#define PG_VECTORS(count) ((count) > 2 ? 1 : (count) > 1 ? 2 : 4)
#define PG_DIRECT_QUERIES 8
#include "attention.h"

#pragma clang attribute pop
#endif
