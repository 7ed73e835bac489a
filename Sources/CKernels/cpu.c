#define _GNU_SOURCE
#include "pg_cpu.h"

#include <limits.h>
#include <pthread.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <sched.h>
#endif

int pg_cpu_has_isa(int32_t isa) {
    switch (isa) {
    case PG_ISA_PORTABLE: return 1;
#if defined(__x86_64__)
    case PG_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case PG_ISA_AVXVNNI:
#if defined(PG_AVXVNNI_AS_AVX512)
        return pg_cpu_has_isa(PG_ISA_AVX512);
#else
        return pg_cpu_has_isa(PG_ISA_AVX2) && __builtin_cpu_supports("avxvnni");
#endif
    case PG_ISA_AVX512:
        return pg_cpu_has_isa(PG_ISA_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512vnni");
#elif defined(__ARM_FEATURE_DOTPROD)
    case PG_ISA_NEON_DOT: return 1;
#elif defined(__aarch64__) && defined(__linux__)
    case PG_ISA_NEON_DOT: return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
    default: return 0;
    }
}

void pg_wait_on_word(const uint32_t *word, uint32_t expected) {
#if defined(__linux__)
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, (void *)0, (void *)0, 0);
#else
    (void)word;
    (void)expected;
    sched_yield();
#endif
}

void pg_wake_word(const uint32_t *word) {
#if defined(__linux__)
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, (void *)0, (void *)0, 0);
#else
    (void)word;
#endif
}

void pg_name_thread(const char *name) {
#if defined(__linux__)
    pthread_setname_np(pthread_self(), name);
#else
    pthread_setname_np(name);
#endif
}
