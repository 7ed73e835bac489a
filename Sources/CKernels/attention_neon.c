#if defined(__aarch64__)

#include "neon.h"

#include "attention.h"

#pragma clang attribute pop
#endif
