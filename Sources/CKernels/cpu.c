#include "pg_cpu.h"

int pg_cpu_best_isa(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
        return PG_ISA_AVX2;
#endif
    return PG_ISA_PORTABLE;
}
