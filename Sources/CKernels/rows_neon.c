#if defined(__aarch64__)

#include "neon.h"

#include "rows.h"

#pragma clang attribute pop
#endif
