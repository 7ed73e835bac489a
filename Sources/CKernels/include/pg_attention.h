// Attention over a paged KV cache.
#ifndef PAGODA_PG_ATTENTION_H
#define PAGODA_PG_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

/// Keys are taken in spans of so many positions, aligned to position 0; the running softmax goes from span to span.
#define PG_ATTENTION_SPAN 64
/// Spans make parts of so many positions; each part has a softmax of its own, and the parts of a row are merged in
/// their order, whether one call took them all or each was computed elsewhere.
#define PG_ATTENTION_PART 256
/// The most query rows one call takes.
#define PG_ATTENTION_ROWS 16

/// INT8: codes −127…127; behind a block's keys (and values) of a head stand its fp32 scales, one a position.
/// INT16: likewise, codes −4,095…4,095. Keys of two dimensions and values of two positions are neighbours: keys
/// [head_size / 2, block_size, 2], values [block_size / 2, head_size, 2]. Queries and weights become codes as well, of
/// 12 to 14 bits, so that products are summed in integers; head_size is 256 at most.
enum pg_cache_type { PG_CACHE_F32 = 0, PG_CACHE_F16 = 1, PG_CACHE_BF16 = 2, PG_CACHE_INT8 = 3, PG_CACHE_INT16 = 4 };

/// Bytes that the keys (or the values) of one head take in a block.
size_t pg_cache_head_bytes(int32_t type, int32_t head_size, int32_t block_size);


/// The KV cache of one layer.
struct pg_cache {
    uint8_t *keys;   // [blocks, kv_heads, head_size, block_size]: positions innermost, so that lanes are positions
    uint8_t *values; // [blocks, kv_heads, block_size, head_size]; in both a head takes pg_cache_head_bytes
    int32_t type;    // enum pg_cache_type
    int32_t block_size; // a multiple of 8
    int32_t kv_heads;
    int32_t head_size; // a multiple of 8
};

/// Consecutive rows of one sequence against one KV head: the `group_size` query heads that share it. Or one row against
/// consecutive KV heads, which are its "rows" then: their keys and values are neighbours in memory.
struct pg_attention_task {
    const float *queries; // row 0's first head of the group; [rows, query_stride]
    float *out;           // likewise, [rows, out_stride]
    size_t query_stride;
    size_t out_stride;
    int32_t row_count;      // at most PG_ATTENTION_ROWS
    int32_t rows_are_heads; // KV heads from kv_head on, all at first_position
    int32_t first_position; // of row 0; row i attends to positions 0…first_position + i
    int32_t kv_head;
    int32_t group_size;
    int32_t window; // how many of the last positions are seen, itself included; 0: all
    float scale;
    float softcap; // scores beyond it are bent: softcap × tanh(score / softcap); 0: none
    const int32_t *block_table;
    int32_t first_part; // the parts to take: all, or one of them if `partials` is set
    int32_t part_end;   // past the last; parts beyond the last position are empty
    float *partials;    // null, or where the one part goes instead of `out`: [rows × group_size, head_size + 2]
};

/// Floats of scratch that a call needs.
size_t pg_attention_scratch(int32_t group_size, int32_t head_size);

/// Floats of one part's result for one query: the weighted sum of the values, the highest score, the sum of weights.
#define PG_ATTENTION_PARTIAL(head_size) ((size_t)(head_size) + 2)

/// out[row, head] = softmax(softcap(queries · keys × scale)) · values. The order of summation for a row depends on its
/// position alone: not on the other rows, the block size or the blocks' places.
typedef void pg_attend_function(
    const struct pg_cache *cache, const struct pg_attention_task *task, float *scratch);

/// out[row, head] from the partial results of parts [first_part, part_end) of a task: part i of query q is at
/// partials + (i × queries + q) × PG_ATTENTION_PARTIAL(head_size). Gives the bits of a call that took all parts.
typedef void pg_merge_parts_function(const struct pg_attention_task *task, int32_t head_size);

/// Writes one token's K and V, each [kv_heads, head_size], to `slot` (block × block_size + offset).
typedef void pg_cache_store_function(
    const struct pg_cache *cache, int64_t slot, const float *keys, const float *values);

pg_attend_function pg_attend_portable;
pg_merge_parts_function pg_merge_parts_portable;
pg_cache_store_function pg_cache_store_portable;
#if defined(__x86_64__)
pg_attend_function pg_attend_avx2;
pg_merge_parts_function pg_merge_parts_avx2;
pg_cache_store_function pg_cache_store_avx2;
pg_attend_function pg_attend_avx512;
pg_merge_parts_function pg_merge_parts_avx512;
pg_cache_store_function pg_cache_store_avx512;
#elif defined(__aarch64__)
pg_attend_function pg_attend_neon;
pg_merge_parts_function pg_merge_parts_neon;
pg_cache_store_function pg_cache_store_neon;
#endif

#endif
