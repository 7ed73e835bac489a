// Paged attention, for one instruction set: included by the file that chooses it and names it in PG_NAME.

#include <math.h>

#include "pg_attention.h"
#include "simd.h"

#define SPAN PG_ATTENTION_SPAN

PG_INLINE size_t cache_element_bytes(int32_t type) {
    return type == PG_CACHE_F32 ? 4 : 2;
}

PG_INLINE f32x8 cache_load8(int32_t type, const uint8_t *at) {
    if (type == PG_CACHE_F32)
        return load8((const float *)(const void *)at);
    if (type == PG_CACHE_F16)
        return PG_LOAD_HALF8(at);
    u16x8 raw;
    memcpy(&raw, at, 16);
    return (f32x8)(__builtin_convertvector(raw, i32x8) << 16);
}

/// Round to nearest, ties to even; a NaN stays one.
PG_INLINE uint16_t to_bfloat(float value) {
    const uint32_t bits = pg_bits_from_float(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void PG_NAME(pg_cache_store)(const struct pg_cache *cache, int64_t slot, const float *keys, const float *values) {
    const int32_t size = cache->head_size, block_size = cache->block_size;
    const size_t bytes = cache_element_bytes(cache->type);
    const size_t block = (size_t)(slot / block_size), offset = (size_t)(slot % block_size);
    for (int32_t head = 0; head < cache->kv_heads; head++, keys += size, values += size) {
        const size_t base = (block * cache->kv_heads + head) * size * block_size;
        uint8_t *key_out = cache->keys + (base + offset) * bytes;
        uint8_t *value_out = cache->values + (base + offset * size) * bytes;
        if (cache->type == PG_CACHE_F32) {
            for (int32_t i = 0; i < size; i++)
                memcpy(key_out + (size_t)i * block_size * 4, &keys[i], 4);
            memcpy(value_out, values, (size_t)size * 4);
            continue;
        }
        for (int32_t i = 0; i < size; i += 8) {
            uint16_t key[8];
            if (cache->type == PG_CACHE_F16) {
                PG_STORE_HALF8(key, load8(keys + i));
                PG_STORE_HALF8(value_out + (size_t)i * 2, load8(values + i));
            } else {
                uint16_t value[8];
                for (int lane = 0; lane < 8; lane++) {
                    key[lane] = to_bfloat(keys[i + lane]);
                    value[lane] = to_bfloat(values[i + lane]);
                }
                memcpy(value_out + (size_t)i * 2, value, 16);
            }
            for (int lane = 0; lane < 8; lane++)
                memcpy(key_out + (size_t)(i + lane) * block_size * 2, &key[lane], 2);
        }
    }
}

/// Copies the K and V of `count` positions from `first` on to fp32: keys [head_size, SPAN], values [SPAN, head_size].
PG_INLINE void load_span(
    int32_t type, const struct pg_cache *cache, const struct pg_attention_task *task, int32_t first, int32_t count,
    float *restrict keys, float *restrict values
) {
    const int32_t size = cache->head_size, block_size = cache->block_size;
    const size_t bytes = cache_element_bytes(type);
    for (int32_t unit = 0; unit < count; unit += 8) {
        const int32_t position = first + unit;
        const size_t block = (size_t)task->block_table[position / block_size], offset = (size_t)(position % block_size);
        const size_t base = (block * cache->kv_heads + task->kv_head) * size * block_size;
        const uint8_t *key = cache->keys + (base + offset) * bytes;
        for (int32_t i = 0; i < size; i++, key += (size_t)block_size * bytes)
            store8(keys + (size_t)i * SPAN + unit, cache_load8(type, key));
        const uint8_t *value = cache->values + (base + offset * size) * bytes;
        float *value_out = values + (size_t)unit * size;
        for (int32_t i = 0; i < 8 * size; i += 8)
            store8(value_out + i, cache_load8(type, value + (size_t)i * bytes));
    }
}

/// scores[position] = query · keys[:, position], for one or two queries at once.
PG_INLINE void score(const float *keys, int32_t size, const float *const *queries, int count, float *scores) {
    f32x8 sums[2][4];
    for (int q = 0; q < count; q++)
        for (int i = 0; i < 4; i++)
            sums[q][i] = broadcast8(0);
    for (int32_t d = 0; d < size; d++, keys += SPAN)
        for (int q = 0; q < count; q++)
            for (int i = 0; i < 4; i++)
                sums[q][i] = fma8(load8(keys + i * 8), broadcast8(queries[q][d]), sums[q][i]);
    for (int q = 0; q < count; q++)
        for (int i = 0; i < 4; i++)
            store8(scores + q * SPAN + i * 8, sums[q][i]);
}

/// out = out × correction + Σ weights[position] × values[position, :] over positions [begin, end).
PG_INLINE void add_values(
    const float *values, int32_t size, const float *weights, int32_t begin, int32_t end, float correction, float *out
) {
    int32_t d = 0;
    for (; d + 64 <= size; d += 64) {
        f32x8 sums[8];
        for (int i = 0; i < 8; i++)
            sums[i] = load8(out + d + i * 8) * broadcast8(correction);
        for (int32_t position = begin; position < end; position++) {
            const f32x8 weight = broadcast8(weights[position]);
            const float *value = values + (size_t)position * size + d;
            for (int i = 0; i < 8; i++)
                sums[i] = fma8(weight, load8(value + i * 8), sums[i]);
        }
        for (int i = 0; i < 8; i++)
            store8(out + d + i * 8, sums[i]);
    }
    for (; d < size; d += 8) {
        f32x8 sum = load8(out + d) * broadcast8(correction);
        for (int32_t position = begin; position < end; position++)
            sum = fma8(broadcast8(weights[position]), load8(values + (size_t)position * size + d), sum);
        store8(out + d, sum);
    }
}

/// A query's running softmax.
struct softmax {
    float highest;
    float sum;
};

/// Turns the scores of positions [begin, end) of a span into weights; returns the correction of what came before.
PG_INLINE float weigh(struct softmax *softmax, float *scores, int32_t begin, int32_t end, float scale) {
    for (int32_t i = 0; i < begin; i++)
        scores[i] = -INFINITY;
    for (int32_t i = end; i < SPAN; i++)
        scores[i] = -INFINITY;
    const f32x8 factor = broadcast8(scale);
    f32x8 scaled[4];
    for (int i = 0; i < 4; i++)
        scaled[i] = load8(scores + i * 8) * factor;
    const float here = highest8(max8(max8(scaled[0], scaled[1]), max8(scaled[2], scaled[3])));
    const float highest = here > softmax->highest ? here : softmax->highest;
    for (int i = 0; i < 4; i++) {
        scaled[i] = exp8(scaled[i] - broadcast8(highest));
        store8(scores + i * 8, scaled[i]);
    }
    const float correction = exp8(broadcast8(softmax->highest - highest))[0];
    softmax->sum = softmax->sum * correction + sum8((scaled[0] + scaled[1]) + (scaled[2] + scaled[3]));
    softmax->highest = highest;
    return correction;
}

PG_INLINE int32_t clamp_to_span(int32_t position) {
    return position < 0 ? 0 : position > SPAN ? SPAN : position;
}

PG_INLINE void attend(
    int32_t type, const struct pg_cache *cache, const struct pg_attention_task *task, float *scratch
) {
    const int32_t size = cache->head_size, group_size = task->group_size;
    const int32_t query_count = task->row_count * group_size, last = task->first_position + task->row_count - 1;
    float *keys = scratch, *values = keys + (size_t)size * SPAN, *scores = values + (size_t)size * SPAN;
    struct softmax *state = (struct softmax *)(void *)(scores + 2 * SPAN);
    for (int32_t q = 0; q < query_count; q++) {
        state[q] = (struct softmax){-INFINITY, 0};
        memset(task->out + (size_t)(q / group_size) * task->out_stride + (size_t)(q % group_size) * size, 0,
               (size_t)size * sizeof(float));
    }
    const int32_t lowest = task->window > 0 ? task->first_position - task->window + 1 : 0;
    for (int32_t first = (lowest < 0 ? 0 : lowest) / SPAN * SPAN; first <= last; first += SPAN) {
        load_span(type, cache, task, first, clamp_to_span(last + 1 - first), keys, values);
        for (int32_t q = 0; q < query_count; q += 2) {
            const int count = query_count - q >= 2 ? 2 : 1;
            const float *queries[2];
            for (int i = 0; i < count; i++)
                queries[i] = task->queries + (size_t)((q + i) / group_size) * task->query_stride
                    + (size_t)((q + i) % group_size) * size;
            if (count == 2)
                score(keys, size, queries, 2, scores);
            else
                score(keys, size, queries, 1, scores);
            for (int i = 0; i < count; i++) {
                const int32_t row = (q + i) / group_size, position = task->first_position + row;
                const int32_t begin = clamp_to_span(task->window > 0 ? position - task->window + 1 - first : 0);
                const int32_t end = clamp_to_span(position + 1 - first);
                if (begin >= end)
                    continue;
                float *out = task->out + (size_t)row * task->out_stride + (size_t)((q + i) % group_size) * size;
                const float correction = weigh(&state[q + i], scores + i * SPAN, begin, end, task->scale);
                add_values(values, size, scores + i * SPAN, begin, end, correction, out);
            }
        }
    }
    for (int32_t q = 0; q < query_count; q++) {
        float *out = task->out + (size_t)(q / group_size) * task->out_stride + (size_t)(q % group_size) * size;
        const f32x8 factor = broadcast8(1.0f / state[q].sum);
        for (int32_t d = 0; d < size; d += 8)
            store8(out + d, load8(out + d) * factor);
    }
}

void PG_NAME(pg_attend)(const struct pg_cache *cache, const struct pg_attention_task *task, float *scratch) {
    switch (cache->type) {
    case PG_CACHE_F32: attend(PG_CACHE_F32, cache, task, scratch); break;
    case PG_CACHE_F16: attend(PG_CACHE_F16, cache, task, scratch); break;
    default: attend(PG_CACHE_BF16, cache, task, scratch); break;
    }
}
