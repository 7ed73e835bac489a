// Which CPUs threads run on, where it matters: on machines of several memory nodes.
#ifndef PAGODA_PG_AFFINITY_H
#define PAGODA_PG_AFFINITY_H

#include <stdint.h>

/// Sets of CPUs: bit c % 64 of word c / 64 stands for CPU c.
#define PG_CPU_WORDS 16

/// The CPUs that the calling thread may run on; 0 if the system doesn't say.
int32_t pg_thread_cpus(uint64_t cpus[PG_CPU_WORDS]);

/// Lets the calling thread run on these CPUs alone; 0 if the system refuses, and then nothing has changed.
int32_t pg_bind_thread(const uint64_t cpus[PG_CPU_WORDS]);

#endif
