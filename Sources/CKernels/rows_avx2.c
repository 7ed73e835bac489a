#if defined(__x86_64__)

#include "avx2.h"

#include "rows.h"

#pragma clang attribute pop
#endif
