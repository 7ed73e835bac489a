#if defined(__x86_64__)

#include "avx512.h"

#include "attention.h"

#pragma clang attribute pop
#endif
