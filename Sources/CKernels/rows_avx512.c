#if defined(__x86_64__)

#include "avx512.h"

#include "rows.h"

#pragma clang attribute pop
#endif
