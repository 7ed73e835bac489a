// Which instructions this CPU has.
#ifndef PAGODA_PG_CPU_H
#define PAGODA_PG_CPU_H

/// Instruction sets that kernels are written for, in rising order of preference on their platform.
enum pg_isa {
    PG_ISA_PORTABLE = 0,
    PG_ISA_AVX2 = 1, // AVX2, FMA, F16C
};

/// The best of `enum pg_isa` that this CPU can run.
int pg_cpu_best_isa(void);

#endif
