#include "cplatform.h"

#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

void pg_configure_allocator(void) {
#if defined(__GLIBC__)
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
#endif
}
