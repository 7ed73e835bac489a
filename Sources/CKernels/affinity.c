#define _GNU_SOURCE
#include "pg_affinity.h"

#include <string.h>

#if defined(__linux__)
#include <sched.h>

_Static_assert(sizeof(cpu_set_t) == PG_CPU_WORDS * sizeof(uint64_t), "a set of CPUs has 1024 bits");

int32_t pg_thread_cpus(uint64_t cpus[PG_CPU_WORDS]) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 0;
    memset(cpus, 0, PG_CPU_WORDS * sizeof *cpus);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            cpus[cpu / 64] |= (uint64_t)1 << cpu % 64;
    return 1;
}

int32_t pg_bind_thread(const uint64_t cpus[PG_CPU_WORDS]) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (cpus[cpu / 64] >> cpu % 64 & 1)
            CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

#else

int32_t pg_thread_cpus(uint64_t cpus[PG_CPU_WORDS]) {
    memset(cpus, 0, PG_CPU_WORDS * sizeof *cpus);
    return 0;
}

int32_t pg_bind_thread(const uint64_t cpus[PG_CPU_WORDS]) {
    (void)cpus;
    return 0;
}

#endif
