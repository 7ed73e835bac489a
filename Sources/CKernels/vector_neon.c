#if defined(__aarch64__)

#include "neon.h"

#include "vector.h"

#pragma clang attribute pop
#endif
