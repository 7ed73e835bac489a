// Paged attention, for one instruction set: included by the file that chooses it and names it in PG_NAME.

#include <math.h>

#include "kv_cache.h"

// Vectors of 16 at once, for few queries; a span has four.
#define PG_MOST_VECTORS 4

/// scores[q][position] = queries[q] · keys[:, position] for the positions below `end`, rounded up. The keys of `next`
/// are asked for meanwhile.
PG_INLINE void score(
    int32_t type, const struct span *span, const struct span *next, int32_t size, int32_t end,
    const float *const *queries, int count, float (*scores)[SPAN]
) {
    const int vectors = PG_VECTORS(count); // of 16 positions, at once
    for (int32_t unit = 0; unit * 8 < end; unit += 2 * vectors) {
        f32x16 sums[PG_QUERIES][PG_MOST_VECTORS];
        const uint8_t *keys[PG_MOST_VECTORS];
#pragma unroll
        for (int i = 0; i < vectors; i++) {
            keys[i] = span->keys[unit + 2 * i];
            for (int q = 0; q < count; q++)
                sums[q][i] = broadcast16(0);
        }
        for (int32_t d = 0; d < size; d++) {
#pragma unroll
            for (int i = 0; i < vectors; i++) {
                if (type != PG_CACHE_F32)
                    __builtin_prefetch(next->keys[unit + 2 * i] + (size_t)d * next->key_stride);
                const f32x16 key = cache_load16(type, keys[i]);
                keys[i] += span->key_stride;
#pragma unroll
                for (int q = 0; q < count; q++)
                    sums[q][i] = fma16(key, broadcast16(queries[q][d]), sums[q][i]);
            }
        }
#pragma unroll
        for (int q = 0; q < count; q++)
            for (int i = 0; i < vectors; i++)
                store16f(scores[q] + unit * 8 + i * 16, sums[q][i]);
    }
}

/// out[q] = out[q] × corrections[q] + Σ weights[q][position] × values[position, :] over positions [begin, end), for
/// the dimensions from `d` on, 16 × `vectors` at once as long as there are so many; returns the first that is left. The
/// values of `next` are asked for meanwhile.
PG_INLINE int32_t add_dimensions(
    int32_t type, const struct span *span, const struct span *next, int32_t size, float (*weights)[SPAN],
    int32_t begin, int32_t end, const float *corrections, float *const *out, int count, int32_t d, int vectors
) {
    const size_t bytes = cache_element_bytes(type);
    for (; d + 16 * vectors <= size; d += 16 * vectors) {
        f32x16 sums[PG_QUERIES][PG_MOST_VECTORS];
#pragma unroll
        for (int q = 0; q < count; q++)
            for (int i = 0; i < vectors; i++)
                sums[q][i] = load16f(out[q] + d + i * 16) * broadcast16(corrections[q]);
        for (int32_t position = begin; position < end;) {
            const size_t place = ((size_t)(position % 8) * size + d) * bytes;
            const uint8_t *value = span->values[position / 8] + place, *ahead = next->values[position / 8] + place;
            const int32_t unit_end = position / 8 * 8 + 8 < end ? position / 8 * 8 + 8 : end;
            for (; position < unit_end; position++, value += (size_t)size * bytes, ahead += (size_t)size * bytes) {
#pragma unroll
                for (int i = 0; i < vectors; i++) {
                    if (type != PG_CACHE_F32 && i % 2 == 0)
                        __builtin_prefetch(ahead + (size_t)i * 16 * bytes);
                    const f32x16 sixteen = cache_load16(type, value + (size_t)i * 16 * bytes);
#pragma unroll
                    for (int q = 0; q < count; q++)
                        sums[q][i] = fma16(broadcast16(weights[q][position]), sixteen, sums[q][i]);
                }
            }
        }
#pragma unroll
        for (int q = 0; q < count; q++)
            for (int i = 0; i < vectors; i++)
                store16f(out[q] + d + i * 16, sums[q][i]);
    }
    return d;
}

/// The same for all dimensions.
PG_INLINE void add_values(
    int32_t type, const struct span *span, const struct span *next, int32_t size, float (*weights)[SPAN],
    int32_t begin, int32_t end, const float *corrections, float *const *out, int count
) {
    int32_t d = 0;
    if (PG_VECTORS(count) > 2)
        d = add_dimensions(type, span, next, size, weights, begin, end, corrections, out, count, d, 4);
    if (PG_VECTORS(count) > 1)
        d = add_dimensions(type, span, next, size, weights, begin, end, corrections, out, count, d, 2);
    d = add_dimensions(type, span, next, size, weights, begin, end, corrections, out, count, d, 1);
    for (; d < size; d += 8)
        for (int q = 0; q < count; q++) {
            f32x8 sum = load8(out[q] + d) * broadcast8(corrections[q]);
            for (int32_t position = begin; position < end; position++) {
                const uint8_t *value =
                    span->values[position / 8] + ((size_t)(position % 8) * size + d) * cache_element_bytes(type);
                sum = fma8(broadcast8(weights[q][position]), cache_load8(type, value), sum);
            }
            store8(out[q] + d, sum);
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
    f32x16 scaled[SPAN / 16];
    f32x16 most = broadcast16(-INFINITY);
    for (int i = 0; i < SPAN / 16; i++) {
        scaled[i] = load16f(scores + i * 16) * broadcast16(scale);
        most = max16(most, scaled[i]);
    }
    const float here = highest8(max8(low8(most), high8(most)));
    const float highest = here > softmax->highest ? here : softmax->highest;
    f32x16 sum = broadcast16(0);
    for (int i = 0; i < SPAN / 16; i++) {
        scaled[i] = exp16(scaled[i] - broadcast16(highest));
        sum += scaled[i];
        store16f(scores + i * 16, scaled[i]);
    }
    const float correction = exp8(broadcast8(softmax->highest - highest))[0];
    softmax->sum = softmax->sum * correction + sum8(low8(sum) + high8(sum));
    softmax->highest = highest;
    return correction;
}

/// Joins a part to what was merged before it: out and softmax of a query.
PG_INLINE void merge(
    struct softmax *softmax, float *out, const struct softmax *part, const float *values, int32_t size
) {
    const float highest = part->highest > softmax->highest ? part->highest : softmax->highest;
    const float before = exp8(broadcast8(softmax->highest - highest))[0];
    const float here = exp8(broadcast8(part->highest - highest))[0];
    for (int32_t d = 0; d < size; d += 8)
        store8(out + d, fma8(load8(values + d), broadcast8(here), load8(out + d) * broadcast8(before)));
    softmax->sum = softmax->sum * before + part->sum * here;
    softmax->highest = highest;
}

PG_INLINE void normalize(const struct softmax *softmax, float *out, int32_t size) {
    const f32x8 factor = broadcast8(1.0f / softmax->sum);
    for (int32_t d = 0; d < size; d += 8)
        store8(out + d, load8(out + d) * factor);
}

PG_INLINE int32_t clamp_to_span(int32_t position) {
    return position < 0 ? 0 : position > SPAN ? SPAN : position;
}

/// Which positions of the span that begins at `first` a query of a task sees.
struct seen {
    int32_t begin, end;
};

PG_INLINE struct seen seen_by(const struct pg_attention_task *task, int32_t q, int32_t first) {
    const int32_t position = task->first_position + (task->rows_are_heads ? 0 : q / task->group_size);
    return (struct seen){
        clamp_to_span(task->window > 0 ? position - task->window + 1 - first : 0), clamp_to_span(position + 1 - first)};
}

/// row × scales, for the positions below `end`, rounded up to 8.
PG_INLINE void scale_positions(float *row, const float *scales, int32_t end) {
    for (int32_t i = 0; i < end; i += 8)
        store8(row + i, load8(row + i) * load8(scales + i));
}

/// Scales the scores of a span and bends them: softcap × tanh(score × scale / softcap).
PG_INLINE void cap_scores(float *scores, float scale, float softcap) {
    const f32x16 inner = broadcast16(scale / softcap);
    for (int i = 0; i < SPAN; i += 16)
        store16f(scores + i, tanh16(load16f(scores + i) * inner) * broadcast16(softcap));
}

/// The weights of queries [q, q + count) for a span, and the corrections of their sums so far.
PG_INLINE void weigh_span(
    int32_t type, const struct span *span, const struct span *next, const struct pg_attention_task *task, int32_t size,
    int32_t first, int32_t q, int count, struct softmax *parts, float (*weights)[SPAN], float *corrections
) {
    const float *queries[PG_QUERIES];
    for (int i = 0; i < count; i++)
        queries[i] = task->queries + (size_t)((q + i) / task->group_size) * task->query_stride
            + (size_t)((q + i) % task->group_size) * size;
    score(type, span, next, size, seen_by(task, q + count - 1, first).end, queries, count, weights + q);
    for (int32_t i = q; i < q + count; i++) {
        const struct seen seen = seen_by(task, i, first);
        if (seen.begin < seen.end) {
            if (span->is_scaled)
                scale_positions(weights[i], span->key_scales, seen.end);
            if (task->softcap > 0)
                cap_scores(weights[i], task->scale, task->softcap);
            const float scale = task->softcap > 0 ? 1 : task->scale;
            corrections[i] = weigh(&parts[i], weights[i], seen.begin, seen.end, scale);
            if (span->is_scaled)
                scale_positions(weights[i], span->value_scales, seen.end);
        } else {
            corrections[i] = 1;
            memset(weights[i], 0, sizeof weights[i]);
        }
    }
}

/// Adds the weighted values of a span to the sums of queries [q, q + count), [queries, head_size].
PG_INLINE void add_span(
    int32_t type, const struct span *span, const struct span *next, const struct pg_attention_task *task, int32_t size,
    int32_t first, int32_t q, int count, float (*weights)[SPAN], const float *corrections, float *values
) {
    float *sums[PG_QUERIES];
    for (int i = 0; i < count; i++)
        sums[i] = values + (size_t)(q + i) * size;
    const int32_t begin = seen_by(task, q, first).begin, end = seen_by(task, q + count - 1, first).end;
    add_values(type, span, next, size, weights + q, begin, end, corrections + q, sums, count);
}

/// Does X with COUNT queries from `q` on, as many at once as there are registers for, until all have had it.
#define EACH_QUERY for (int32_t q = q_begin, done; done = 0, q < q_end; q += done) { PG_QUERY_COUNTS }

/// Queries [q_begin, q_end) of a task against one span: first all of them against its keys, then against its values,
/// since both together do not fit the first cache.
PG_INLINE void attend_queries(
    int32_t type, const struct span *span, const struct span *next, const struct pg_attention_task *task, int32_t size,
    int32_t first, int32_t q_begin, int32_t q_end, struct softmax *parts, float (*weights)[SPAN], float *corrections,
    float *values
) {
#define X(COUNT) \
    if (done == 0 && q_end - q >= COUNT) { \
        weigh_span(type, span, next, task, size, first, q, COUNT, parts, weights, corrections); \
        done = COUNT; \
    }
    EACH_QUERY
#undef X
#define X(COUNT) \
    if (done == 0 && q_end - q >= COUNT) { \
        add_span(type, span, next, task, size, first, q, COUNT, weights, corrections, values); \
        done = COUNT; \
    }
    EACH_QUERY
#undef X
}

static void attend_queries_f32(
    const struct span *span, const struct pg_attention_task *task, int32_t size, int32_t first, int32_t q_begin,
    int32_t q_end, struct softmax *parts, float (*weights)[SPAN], float *corrections, float *values
) {
    attend_queries(
        PG_CACHE_F32, span, span, task, size, first, q_begin, q_end, parts, weights, corrections, values);
}

/// Queries that are few, PG_DIRECT_QUERIES, read the cache itself; many share a copy in fp32, and each number is
/// converted once.
PG_INLINE int reads_cache(const struct pg_cache *cache, int32_t query_count) {
    return cache->block_size % 16 == 0 && query_count <= PG_DIRECT_QUERIES;
}

PG_INLINE void attend(
    int32_t type, const struct pg_cache *cache, const struct pg_attention_task *task, float *scratch
) {
    const int32_t size = cache->head_size, group_size = task->group_size;
    const int32_t query_count = task->row_count * group_size, heads = task->rows_are_heads ? task->row_count : 1;
    const int32_t queries_per_head = query_count / heads;
    const int32_t end = task->first_position + (task->rows_are_heads ? 1 : task->row_count);
    float *keys = scratch, *copied = keys + (size_t)size * SPAN, *values = copied + (size_t)size * SPAN;
    float (*weights)[SPAN] = (float (*)[SPAN])(void *)(values + (size_t)query_count * size);
    float *corrections = (float *)(void *)(weights + query_count);
    struct softmax *totals = (struct softmax *)(void *)(corrections + query_count);
    struct softmax *parts = totals + query_count;
    for (int32_t q = 0; q < query_count; q++) {
        totals[q] = (struct softmax){-INFINITY, 0};
        if (task->partials) { // a part before the window stays empty
            float *partial = task->partials + (size_t)q * PG_ATTENTION_PARTIAL(size);
            memset(partial, 0, (size_t)size * sizeof(float));
            memcpy(partial + size, &totals[q], sizeof totals[q]);
        }
    }
    const int32_t lowest = task->window > 0 ? task->first_position - task->window + 1 : 0;
    int32_t first = (lowest < 0 ? 0 : lowest) / SPAN * SPAN, part = first / PG_ATTENTION_PART;
    if (part < task->first_part) {
        part = task->first_part;
        first = part * PG_ATTENTION_PART;
    }
    for (; part < task->part_end && part * PG_ATTENTION_PART < end; part++) {
        const int32_t part_end = (part + 1) * PG_ATTENTION_PART < end ? (part + 1) * PG_ATTENTION_PART : end;
        memset(values, 0, (size_t)query_count * size * sizeof(float));
        for (int32_t q = 0; q < query_count; q++)
            parts[q] = (struct softmax){-INFINITY, 0};
        for (; first < part_end; first += SPAN)
            for (int32_t i = 0; i < heads; i++) {
                const int32_t head = task->kv_head + i, q = i * queries_per_head, q_end = q + queries_per_head;
                struct span span, next;
                if (reads_cache(cache, queries_per_head)) {
                    const int32_t following = first + SPAN < end ? first + SPAN : first;
                    find_span(cache, task, head, first, clamp_to_span(end - first), &span);
                    find_ahead(cache, task, heads, i, following, clamp_to_span(end - following), &next);
                    attend_queries(
                        type, &span, &next, task, size, first, q, q_end, parts, weights, corrections, values);
                } else {
                    copy_span(type, cache, task, head, first, clamp_to_span(end - first), keys, copied, &span);
                    attend_queries_f32(&span, task, size, first, q, q_end, parts, weights, corrections, values);
                }
            }
        for (int32_t q = 0; q < query_count; q++) {
            float *out = task->out + (size_t)(q / group_size) * task->out_stride + (size_t)(q % group_size) * size;
            if (task->partials) {
                float *partial = task->partials + (size_t)q * PG_ATTENTION_PARTIAL(size);
                memcpy(partial, values + (size_t)q * size, (size_t)size * sizeof(float));
                memcpy(partial + size, &parts[q], sizeof parts[q]);
            } else if (totals[q].sum == 0) {
                memcpy(out, values + (size_t)q * size, (size_t)size * sizeof(float));
                totals[q] = parts[q];
            } else if (parts[q].sum > 0) {
                merge(&totals[q], out, &parts[q], values + (size_t)q * size, size);
            }
        }
    }
    for (int32_t q = 0; q < query_count && !task->partials; q++) {
        float *out = task->out + (size_t)(q / group_size) * task->out_stride + (size_t)(q % group_size) * size;
        normalize(&totals[q], out, size);
    }
}

void PG_NAME(pg_merge_parts)(const struct pg_attention_task *task, int32_t head_size) {
    const int32_t query_count = task->row_count * task->group_size;
    for (int32_t q = 0; q < query_count; q++) {
        float *out = task->out + (size_t)(q / task->group_size) * task->out_stride
            + (size_t)(q % task->group_size) * head_size;
        struct softmax total = {-INFINITY, 0}, part;
        for (int32_t i = task->first_part; i < task->part_end; i++) {
            const float *partial =
                task->partials + ((size_t)(i - task->first_part) * query_count + q) * PG_ATTENTION_PARTIAL(head_size);
            memcpy(&part, partial + head_size, sizeof part);
            if (total.sum == 0) {
                memcpy(out, partial, (size_t)head_size * sizeof(float));
                total = part;
            } else if (part.sum > 0) {
                merge(&total, out, &part, partial, head_size);
            }
        }
        normalize(&total, out, head_size);
    }
}

void PG_NAME(pg_attend)(const struct pg_cache *cache, const struct pg_attention_task *task, float *scratch) {
    switch (cache->type) {
    case PG_CACHE_F32: attend(PG_CACHE_F32, cache, task, scratch); break;
    case PG_CACHE_F16: attend(PG_CACHE_F16, cache, task, scratch); break;
    case PG_CACHE_INT8: attend(PG_CACHE_INT8, cache, task, scratch); break;
    default: attend(PG_CACHE_BF16, cache, task, scratch); break;
    }
}
