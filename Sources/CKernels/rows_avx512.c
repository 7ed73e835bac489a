#if defined(__x86_64__)

#include "avx512.h"

#define PG_PACKS_BYTES
#include "rows.h"

#pragma clang attribute pop
#endif
