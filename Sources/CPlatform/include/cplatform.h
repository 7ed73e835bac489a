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

/// Whether `password` has this hash (crypt(5)'s bcrypt): 1 or 0. Takes tens of milliseconds, and as long for a wrong
/// one.
int pg_password_matches(const char *password, const char *hash);

/// Writes a new bcrypt hash of `password` and a zero byte to `target`, which has `capacity` bytes; returns its length,
/// 0 if it could not. `cost` is the binary logarithm of the rounds, 4 to 31.
int pg_password_hash(const char *password, int cost, char *target, size_t capacity);

#endif
