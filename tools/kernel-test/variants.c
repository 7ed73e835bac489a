// The variants of the kernels, and which of them this CPU can run.

#include "check.h"

static const struct {
    int32_t isa;
    const char *name;
} known[] = {
    {PG_ISA_PORTABLE, "portable"}, {PG_ISA_AVX2, "avx2"}, {PG_ISA_AVXVNNI, "avxvnni"}, {PG_ISA_AVX512, "avx512"},
    {PG_ISA_NEON_DOT, "neon-dot"},
};
#define KNOWN_COUNT (sizeof known / sizeof known[0])

const struct variant *variants(int *count) {
    static struct variant all[KNOWN_COUNT];
    *count = 0;
    for (unsigned i = 0; i < KNOWN_COUNT; i++)
        if (pg_cpu_has_isa(known[i].isa))
            all[(*count)++] = (struct variant){known[i].name, pg_kernels_of(known[i].isa)};
    return all;
}
