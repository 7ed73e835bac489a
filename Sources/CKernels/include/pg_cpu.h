// Which instructions this CPU has, and small waits that Swift has no word for.
#ifndef PAGODA_PG_CPU_H
#define PAGODA_PG_CPU_H

#include <stdint.h>

/// Instruction sets that kernels are written for, in rising order of preference on their platform.
enum pg_isa {
    PG_ISA_PORTABLE = 0,
    PG_ISA_AVX2 = 1,    // AVX2, FMA, F16C
    PG_ISA_AVXVNNI = 2, // those and VNNI on 256 bits
    PG_ISA_AVX512 = 3,  // those and AVX-512 F, BW, DQ, VL, VNNI
    PG_ISA_NEON_DOT = 16, // NEON and its dot product (Armv8.2)
};

/// Whether this CPU (and its operating system) can run an instruction set of `enum pg_isa`.
int pg_cpu_has_isa(int32_t isa);

/// Tells the core that the caller is spinning.
static inline void pg_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Sleeps while `*word` is `expected`, until woken; may return early.
void pg_wait_on_word(const uint32_t *word, uint32_t expected);

/// Wakes all threads that sleep on `word`.
void pg_wake_word(const uint32_t *word);

/// Names the calling thread for profilers and debuggers; at most 15 bytes count.
void pg_name_thread(const char *name);

#endif
