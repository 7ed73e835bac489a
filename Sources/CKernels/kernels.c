#include "pg_kernels.h"

#include "pg_cpu.h"

/// All kernels of a set, the matrix product being another's where `MATMUL` says so.
#define TABLE(SET, MATMUL) \
    (struct pg_kernels) { \
        .matmul = pg_matmul_##MATMUL, .rms_norm = pg_rms_norm_##SET, .quantize_row = pg_quantize_row_##SET, \
        .rotate = pg_rotate_##SET, .gate_silu = pg_gate_silu_##SET, .gate_gelu = pg_gate_gelu_##SET, \
        .add_scaled = pg_add_scaled_##SET, .add = pg_add_##SET, .attend = pg_attend_##SET, \
        .merge_parts = pg_merge_parts_##SET, .cache_store = pg_cache_store_##SET, \
        .argmax = pg_argmax_##SET, .block_maxima = pg_block_maxima_##SET, .exp_sum = pg_exp_sum_##SET, \
        .exp = pg_exp_##SET, .softcap = pg_softcap_##SET, .count = pg_count_##SET, .collect = pg_collect_##SET \
    }

struct pg_kernels pg_kernels_of(int32_t isa) {
    switch (isa) {
#if defined(__x86_64__)
    case PG_ISA_AVX2: return TABLE(avx2, avx2);
    case PG_ISA_AVXVNNI: return TABLE(avx2, avxvnni);
    case PG_ISA_AVX512: return TABLE(avx512, avx512);
#elif defined(__aarch64__)
    case PG_ISA_NEON_DOT: return TABLE(neon, neon);
#endif
    default: return TABLE(portable, portable);
    }
}
