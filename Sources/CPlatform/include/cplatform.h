// Small system calls that Swift cannot reach.
#ifndef PAGODA_CPLATFORM_H
#define PAGODA_CPLATFORM_H

#include <stddef.h>
#include <stdint.h>

/// Bounds the allocator's arenas and returns freed memory early, so that resident memory stays near what is in use.
/// Call once, first in main.
void pg_configure_allocator(void);

/// Cores that this process may run on, by its affinity.
int pg_allowed_core_count(void);

/// Bytes that the gzip form of `length` bytes takes at most.
size_t pg_gzip_capacity(size_t length);

/// Writes `source` as one gzip member (RFC 1952) to `target`, which has `capacity` bytes; returns how many it wrote, 0
/// if it could not. The caller owns both.
size_t pg_gzip(const uint8_t *source, size_t length, uint8_t *target, size_t capacity);

#endif
