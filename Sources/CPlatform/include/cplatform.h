// Small system calls that Swift cannot reach.
#ifndef PAGODA_CPLATFORM_H
#define PAGODA_CPLATFORM_H

/// Bounds the allocator's arenas and returns freed memory early, so that resident memory stays near what is in use.
/// Call once, first in main.
void pg_configure_allocator(void);

/// Cores that this process may run on, by its affinity.
int pg_allowed_core_count(void);

#endif
