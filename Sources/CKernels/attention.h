// Paged attention, for one instruction set: included by the file that chooses it and names it in PG_NAME.

#include <math.h>

#include "kv_cache.h"

// Vectors of 16 at once, for few queries; a span has four.
#define PG_MOST_VECTORS 4

/// scores[q][position] = queries[q] · keys[:, position] for the positions below `end`, rounded up. The keys of `next`,
/// unless it is null, are asked for meanwhile.
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
                if (next)
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
/// values of `next`, unless it is null, are asked for meanwhile.
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
            const uint8_t *value = span->values[position / 8] + place;
            const uint8_t *ahead = next ? next->values[position / 8] + place : NULL;
            const int32_t unit_end = position / 8 * 8 + 8 < end ? position / 8 * 8 + 8 : end;
            for (; position < unit_end; position++, value += (size_t)size * bytes) {
#pragma unroll
                for (int i = 0; i < vectors; i++) {
                    if (next && i % 2 == 0)
                        __builtin_prefetch(ahead + (size_t)i * 16 * bytes);
                    const f32x16 sixteen = cache_load16(type, value + (size_t)i * 16 * bytes);
#pragma unroll
                    for (int q = 0; q < count; q++)
                        sums[q][i] = fma16(broadcast16(weights[q][position]), sixteen, sums[q][i]);
                }
                if (next)
                    ahead += (size_t)size * bytes;
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

#include "attention_parts.h"
#include "attention_int16.h"

/// What a task keeps of each of its queries; in its scratch.
struct state {
    struct softmax *totals;  // of all parts so far
    struct softmax *parts;   // of the current one
    float (*weights)[SPAN];  // of a span; with int16 codes, in the same place
    float *corrections;      // what the sums so far are multiplied with
    float *factors;          // what codes of weights are multiplied with
    float *values;           // sums of the current part, [queries, head_size]
    float *query_scales;     // with int16
    int16_t *query_codes;    // likewise, [queries, head_size]
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

PG_INLINE const float *query_of(const struct pg_attention_task *task, int32_t q, int32_t size) {
    return task->queries + (size_t)(q / task->group_size) * task->query_stride + (size_t)(q % task->group_size) * size;
}

/// The scores of queries [q, q + count) for a span's positions below `end`.
PG_INLINE void score_queries(
    int32_t type, const struct span *span, const struct span *next, const struct pg_attention_task *task, int32_t size,
    int32_t end, int32_t q, int count, const struct state *state
) {
    const float *queries[PG_QUERIES];
    const int16_t *codes[PG_QUERIES];
    for (int i = 0; i < count; i++) {
        queries[i] = query_of(task, q + i, size);
        codes[i] = state->query_codes + (size_t)(q + i) * size;
    }
    if (type == PG_CACHE_INT16)
        score_int16(span, next, size, end, codes, count, state->weights + q);
    else
        score(type, span, next, size, end, queries, count, state->weights + q);
}

/// The weights of queries [q, q + count) for a span, and the corrections of their sums so far.
PG_INLINE void weigh_span(
    int32_t type, const struct span *span, const struct span *next, const struct pg_attention_task *task, int32_t size,
    int32_t first, int32_t q, int count, const struct state *state
) {
    score_queries(type, span, next, task, size, seen_by(task, q + count - 1, first).end, q, count, state);
    struct weight_scales scales;
    int32_t scales_end = -1;
    for (int32_t i = q; i < q + count; i++) {
        float *weights = state->weights[i];
        const struct seen seen = seen_by(task, i, first);
        if (seen.begin >= seen.end) {
            state->corrections[i] = 1;
            state->factors[i] = 0;
            memset(weights, 0, sizeof state->weights[i]);
        } else if (type == PG_CACHE_INT16) {
            if (seen.end != scales_end) {
                scales = weight_scales_of(span, seen.end);
                scales_end = seen.end;
            }
            state->corrections[i] = weigh_int16(
                &state->parts[i], weights, span, &scales, seen.begin, seen.end, state->query_scales[i], task->scale,
                task->softcap, &state->factors[i]);
        } else {
            if (span->is_scaled)
                scale_positions(weights, span->key_scales, seen.end);
            if (task->softcap > 0)
                cap_scores(weights, task->scale, task->softcap);
            const float scale = task->softcap > 0 ? 1 : task->scale;
            state->corrections[i] = weigh(&state->parts[i], weights, seen.begin, seen.end, scale);
            if (span->is_scaled)
                scale_positions(weights, span->value_scales, seen.end);
        }
    }
}

/// Adds the weighted values of a span to the sums of queries [q, q + count).
PG_INLINE void add_span(
    int32_t type, const struct span *span, const struct span *next, const struct pg_attention_task *task, int32_t size,
    int32_t first, int32_t q, int count, const struct state *state
) {
    float *sums[PG_QUERIES];
    for (int i = 0; i < count; i++)
        sums[i] = state->values + (size_t)(q + i) * size;
    const int32_t begin = seen_by(task, q, first).begin, end = seen_by(task, q + count - 1, first).end;
    float (*weights)[SPAN] = state->weights + q;
    const float *corrections = state->corrections + q;
    if (type == PG_CACHE_INT16)
        add_values_int16(
            span, next, size, weights, state->factors + q, begin, end, corrections, sums, count);
    else
        add_values(type, span, next, size, weights, begin, end, corrections, sums, count);
}

/// Does X with COUNT queries from `q` on, as many at once as there are registers for, until all have had it.
#define EACH_QUERY for (int32_t q = q_begin, done; done = 0, q < q_end; q += done) { PG_QUERY_COUNTS }

/// Queries [q_begin, q_end) of a task against one span: first all of them against its keys, then against its values,
/// since both together do not fit the first cache.
PG_INLINE void attend_queries(
    int32_t type, const struct span *span, const struct span *next, const struct pg_attention_task *task, int32_t size,
    int32_t first, int32_t q_begin, int32_t q_end, const struct state *state
) {
#define X(COUNT) \
    if (done == 0 && q_end - q >= COUNT) { \
        weigh_span(type, span, next, task, size, first, q, COUNT, state); \
        done = COUNT; \
    }
    EACH_QUERY
#undef X
#define X(COUNT) \
    if (done == 0 && q_end - q >= COUNT) { \
        add_span(type, span, next, task, size, first, q, COUNT, state); \
        done = COUNT; \
    }
    EACH_QUERY
#undef X
}

/// The same of a span that is in the first cache, or will be.
static void attend_queries_f32(
    const struct span *span, const struct pg_attention_task *task, int32_t size, int32_t first, int32_t q_begin,
    int32_t q_end, const struct state *state
) {
    attend_queries(PG_CACHE_F32, span, NULL, task, size, first, q_begin, q_end, state);
}

static void attend_queries_int16(
    const struct span *span, const struct pg_attention_task *task, int32_t size, int32_t first, int32_t q_begin,
    int32_t q_end, const struct state *state
) {
    attend_queries(PG_CACHE_INT16, span, NULL, task, size, first, q_begin, q_end, state);
}

/// Queries that are few, PG_DIRECT_QUERIES, read the cache itself and ask for what comes next; many share a copy in
/// fp32, and each number is converted once.
PG_INLINE int reads_cache(const struct pg_cache *cache, int32_t query_count) {
    return cache->block_size % 16 == 0 && query_count <= PG_DIRECT_QUERIES;
}

/// Lays out what is kept of the queries, from `scratch` on.
PG_INLINE struct state state_in(float *scratch, int32_t query_count, int32_t size) {
    struct state state;
    state.values = scratch;
    state.weights = (float (*)[SPAN])(void *)(state.values + (size_t)query_count * size);
    state.corrections = (float *)(void *)(state.weights + query_count);
    state.factors = state.corrections + query_count;
    state.query_scales = state.factors + query_count;
    state.totals = (struct softmax *)(void *)(state.query_scales + query_count);
    state.parts = state.totals + query_count;
    state.query_codes = (int16_t *)(void *)(state.parts + query_count);
    return state;
}

/// Queries [q, q_end) of a task against the span of their KV head, the task's `index`-th of `heads`, from `first` on.
PG_INLINE void attend_span(
    int32_t type, const struct pg_cache *cache, const struct pg_attention_task *task, int32_t heads, int32_t index,
    int32_t first, int32_t end, int32_t q, int32_t q_end, const struct state *state, float *copies
) {
    const int32_t size = cache->head_size, head = task->kv_head + index;
    struct span span, next;
    if (reads_cache(cache, q_end - q)) {
        const int32_t following = first + SPAN < end ? first + SPAN : first;
        find_span(cache, task, head, first, clamp_to_span(end - first), &span);
        find_ahead(cache, task, heads, index, following, clamp_to_span(end - following), &next);
        attend_queries(type, &span, &next, task, size, first, q, q_end, state);
    } else if (type == PG_CACHE_INT16 && cache->block_size % 16 == 0) {
        find_span(cache, task, head, first, clamp_to_span(end - first), &span);
        attend_queries_int16(&span, task, size, first, q, q_end, state);
    } else {
        copy_span(
            type, cache, task, head, first, clamp_to_span(end - first), copies, copies + (size_t)size * SPAN, &span);
        if (type == PG_CACHE_INT16)
            attend_queries_int16(&span, task, size, first, q, q_end, state);
        else
            attend_queries_f32(&span, task, size, first, q, q_end, state);
    }
}

PG_INLINE void attend(
    int32_t type, const struct pg_cache *cache, const struct pg_attention_task *task, float *scratch
) {
    const int32_t size = cache->head_size, group_size = task->group_size;
    const int32_t query_count = task->row_count * group_size, heads = task->rows_are_heads ? task->row_count : 1;
    const int32_t queries_per_head = query_count / heads;
    const int32_t end = task->first_position + (task->rows_are_heads ? 1 : task->row_count);
    const struct state state = state_in(scratch + (size_t)2 * size * SPAN, query_count, size);
    for (int32_t q = 0; q < query_count; q++) {
        state.totals[q] = (struct softmax){-INFINITY, 0};
        if (task->partials) { // a part before the window stays empty
            float *partial = task->partials + (size_t)q * PG_ATTENTION_PARTIAL(size);
            memset(partial, 0, (size_t)size * sizeof(float));
            memcpy(partial + size, &state.totals[q], sizeof state.totals[q]);
        }
        if (type == PG_CACHE_INT16)
            state.query_scales[q] =
                quantize_query(query_of(task, q, size), size, state.query_codes + (size_t)q * size);
    }
    const int32_t lowest = task->window > 0 ? task->first_position - task->window + 1 : 0;
    int32_t first = (lowest < 0 ? 0 : lowest) / SPAN * SPAN, part = first / PG_ATTENTION_PART;
    if (part < task->first_part) {
        part = task->first_part;
        first = part * PG_ATTENTION_PART;
    }
    for (; part < task->part_end && part * PG_ATTENTION_PART < end; part++) {
        const int32_t part_end = (part + 1) * PG_ATTENTION_PART < end ? (part + 1) * PG_ATTENTION_PART : end;
        memset(state.values, 0, (size_t)query_count * size * sizeof(float));
        for (int32_t q = 0; q < query_count; q++)
            state.parts[q] = (struct softmax){-INFINITY, 0};
        for (; first < part_end; first += SPAN)
            for (int32_t i = 0; i < heads; i++) {
                const int32_t q = i * queries_per_head;
                attend_span(type, cache, task, heads, i, first, end, q, q + queries_per_head, &state, scratch);
            }
        for (int32_t q = 0; q < query_count; q++) {
            float *out = task->out + (size_t)(q / group_size) * task->out_stride + (size_t)(q % group_size) * size;
            const float *values = state.values + (size_t)q * size;
            if (task->partials) {
                float *partial = task->partials + (size_t)q * PG_ATTENTION_PARTIAL(size);
                memcpy(partial, values, (size_t)size * sizeof(float));
                memcpy(partial + size, &state.parts[q], sizeof state.parts[q]);
            } else if (state.totals[q].sum == 0) {
                memcpy(out, values, (size_t)size * sizeof(float));
                state.totals[q] = state.parts[q];
            } else if (state.parts[q].sum > 0) {
                merge(&state.totals[q], out, &state.parts[q], values, size);
            }
        }
    }
    for (int32_t q = 0; q < query_count && !task->partials; q++) {
        float *out = task->out + (size_t)(q / group_size) * task->out_stride + (size_t)(q % group_size) * size;
        normalize(&state.totals[q], out, size);
    }
}

void PG_NAME(pg_attend)(const struct pg_cache *cache, const struct pg_attention_task *task, float *scratch) {
    switch (cache->type) {
    case PG_CACHE_F32: attend(PG_CACHE_F32, cache, task, scratch); break;
    case PG_CACHE_F16: attend(PG_CACHE_F16, cache, task, scratch); break;
    case PG_CACHE_INT8: attend(PG_CACHE_INT8, cache, task, scratch); break;
    case PG_CACHE_INT16: attend(PG_CACHE_INT16, cache, task, scratch); break;
    default: attend(PG_CACHE_BF16, cache, task, scratch); break;
    }
}
