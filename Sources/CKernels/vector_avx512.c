#if defined(__x86_64__)

#include "avx512.h"

#include "vector.h"

#pragma clang attribute pop
#endif
