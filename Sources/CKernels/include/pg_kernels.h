// The kernels of an instruction set, as a table.
#ifndef PAGODA_PG_KERNELS_H
#define PAGODA_PG_KERNELS_H

#include "pg_attention.h"
#include "pg_matmul.h"
#include "pg_rows.h"
#include "pg_vector.h"

struct pg_kernels {
    pg_matmul_function *_Nonnull matmul;
    pg_rms_norm_function *_Nonnull rms_norm;
    pg_quantize_row_function *_Nonnull quantize_row;
    pg_rotate_function *_Nonnull rotate;
    pg_gate_silu_function *_Nonnull gate_silu;
    pg_gate_gelu_function *_Nonnull gate_gelu;
    pg_add_scaled_function *_Nonnull add_scaled;
    pg_add_function *_Nonnull add;
    pg_attend_function *_Nonnull attend;
    pg_merge_parts_function *_Nonnull merge_parts;
    pg_cache_store_function *_Nonnull cache_store;
    pg_argmax_function *_Nonnull argmax;
    pg_block_maxima_function *_Nonnull block_maxima;
    pg_exp_sum_function *_Nonnull exp_sum;
    pg_exp_function *_Nonnull exp;
    pg_softcap_function *_Nonnull softcap;
    pg_count_function *_Nonnull count;
    pg_collect_function *_Nonnull collect;
};

/// The kernels of an instruction set of `enum pg_isa`; the portable ones if this program has none for it.
///
/// Calling those of a set that the CPU lacks ends the process: ask `pg_cpu_has_isa` first.
struct pg_kernels pg_kernels_of(int32_t isa);

#endif
