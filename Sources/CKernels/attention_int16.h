// Attention over a cache of int16: products of two numbers at a time, in integers, so that their sums are exact.
//
// The including file says how its instruction set multiplies: a type `pairs16`, two numbers for each of 16 lanes, with
//   load_pairs(address) → pairs16
//   dot_pairs(i32x16 sums, pairs16, two) → i32x16: to each lane's sum the products of its pair with two[0] and two[1]

/// The largest codes. A query's products with a key are at most 64 × 8,191 × 4,095 = 2,146,697,280 in sum, which is
/// less than 2^31, 128 × 4,095 × 4,095, or 256 × 2,047 × 4,095; those of a span's weights with its values likewise.
PG_INLINE float largest_query(int32_t size) {
    return size <= 64 ? 8191.0f : size <= 128 ? 4095.0f : 2047.0f;
}

#define LARGEST_WEIGHT 8191.0f

/// Quantises a query to codes; returns their scale.
PG_INLINE float quantize_query(const float *query, int32_t size, int16_t *codes) {
    const struct code_scale scale = code_scale_of(query, size, largest_query(size));
    for (int32_t i = 0; i < size; i += 8) {
        const i16x8 eight = __builtin_convertvector(codes_of(load8(query + i), scale), i16x8);
        memcpy(codes + i, &eight, sizeof eight);
    }
    return scale.scale;
}

/// sums[q][position] = queries[q] · keys[:, position], of codes, for the positions below `end`, rounded up. The keys of
/// `next`, unless it is null, are asked for meanwhile.
PG_INLINE void score_int16(
    const struct span *span, const struct span *next, int32_t size, int32_t end, const int16_t *const *queries,
    int count, float (*out)[SPAN]
) {
    const int vectors = PG_PAIR_VECTORS(count); // of 16 positions, at once
    for (int32_t unit = 0; unit * 8 < end; unit += 2 * vectors) {
        i32x16 sums[PG_QUERIES][PG_MOST_VECTORS];
        const uint8_t *keys[PG_MOST_VECTORS];
#pragma unroll
        for (int i = 0; i < vectors; i++) {
            keys[i] = span->keys[unit + 2 * i];
            for (int q = 0; q < count; q++)
                sums[q][i] = (i32x16){0};
        }
        for (int32_t d = 0; d < size; d += 2) {
#pragma unroll
            for (int i = 0; i < vectors; i++) {
                if (next)
                    __builtin_prefetch(next->keys[unit + 2 * i] + (size_t)(d / 2) * next->key_stride);
                const pairs16 key = load_pairs(keys[i]);
                keys[i] += span->key_stride;
#pragma unroll
                for (int q = 0; q < count; q++)
                    sums[q][i] = dot_pairs(sums[q][i], key, queries[q] + d);
            }
        }
#pragma unroll
        for (int q = 0; q < count; q++)
            for (int i = 0; i < vectors; i++)
                memcpy(out[q] + unit * 8 + i * 16, &sums[q][i], sizeof sums[q][i]);
    }
}

/// The numbers in whose lanes positions [begin, end) are, of a vector of those from `first` on; `other` elsewhere.
PG_INLINE f32x16 seen_lanes(f32x16 values, int32_t first, int32_t begin, int32_t end, float other) {
    const i32x16 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const i32x16 is_seen = (lanes >= begin - first) & (lanes < end - first);
    return (f32x16)(((i32x16)values & is_seen) | ((i32x16)broadcast16(other) & ~is_seen));
}

/// What a weight of at most 1 is multiplied with to become a code for a position's values; and then the sums.
struct weight_scales {
    f32x16 scales[SPAN / 16];
    float factor;
};

/// Those of a query that sees positions below `end`: what others see in its span must not matter.
PG_INLINE struct weight_scales weight_scales_of(const struct span *span, int32_t end) {
    struct weight_scales weights;
    f32x16 most = broadcast16(0);
    for (int i = 0; i < SPAN / 16; i++) {
        weights.scales[i] = seen_lanes(load16f(span->value_scales + i * 16), i * 16, 0, end, 0);
        most = max16(most, weights.scales[i]);
    }
    const float top = highest8(max8(low8(most), high8(most)));
    const float inverse = top >= LARGEST_WEIGHT * 0x1p-127f ? LARGEST_WEIGHT / top : 0;
    for (int i = 0; i < SPAN / 16; i++)
        weights.scales[i] *= broadcast16(inverse);
    weights.factor = top / LARGEST_WEIGHT;
    return weights;
}

/// Turns the sums of a query's products with the keys of a span into codes of weights, in their place, for positions
/// [begin, end); returns the correction of what came before, and gives what the codes' sums are multiplied with.
/// Weights are relative to the span's highest score, so that codes are fine however far it is below that of others.
PG_INLINE float weigh_int16(
    struct softmax *softmax, float sums[SPAN], const struct span *span, const struct weight_scales *weights,
    int32_t begin, int32_t end, float query_scale, float scale, float softcap, float *factor
) {
    f32x16 scores[SPAN / 16], most = broadcast16(-INFINITY), sum = broadcast16(0);
    const f32x16 query = broadcast16(softcap > 0 ? query_scale * (scale / softcap) : query_scale * scale);
    for (int i = 0; i < SPAN / 16; i++) {
        i32x16 products;
        memcpy(&products, sums + i * 16, sizeof products);
        scores[i] = __builtin_convertvector(products, f32x16) * (load16f(span->key_scales + i * 16) * query);
        if (softcap > 0)
            scores[i] = tanh16(scores[i]) * broadcast16(softcap);
        if (begin > 0 || end < SPAN)
            scores[i] = seen_lanes(scores[i], i * 16, begin, end, -INFINITY);
        most = max16(most, scores[i]);
    }
    const float here = highest8(max8(low8(most), high8(most)));
    const float highest = here > softmax->highest ? here : softmax->highest;
    for (int i = 0; i < SPAN / 16; i++) {
        const f32x16 magic = broadcast16(12582912.0f); // 1.5 × 2^23: adding it rounds to an integer
        const f32x16 weight = exp16(scores[i] - broadcast16(here));
        sum += weight;
        const i32x16 codes = (i32x16)fma16(weight, weights->scales[i], magic);
        const i16x16 narrow = __builtin_convertvector(codes, i16x16); // the lowest bits are the code's
        memcpy((int16_t *)(void *)sums + i * 16, &narrow, sizeof narrow);
    }
    const f32x8 both = exp8((f32x8){softmax->highest - highest, here - highest});
    softmax->sum = softmax->sum * both[0] + sum8(low8(sum) + high8(sum)) * both[1];
    softmax->highest = highest;
    *factor = weights->factor * both[1];
    return both[0];
}

/// out[q] = out[q] × corrections[q] + factors[q] × Σ weights[q][position] × values[position, :] over positions
/// [begin, end), for the dimensions from `d` on, 16 × `vectors` at once as long as there are so many; returns the first
/// that is left. The weights are codes.
PG_INLINE int32_t add_dimensions_int16(
    const struct span *span, const struct span *next, int32_t size, float (*weights)[SPAN], const float *factors,
    int32_t begin, int32_t end, const float *corrections, float *const *out, int count, int32_t d, int vectors
) {
    for (; d + 16 * vectors <= size; d += 16 * vectors) {
        i32x16 sums[PG_QUERIES][PG_MOST_VECTORS];
#pragma unroll
        for (int q = 0; q < count; q++)
            for (int i = 0; i < vectors; i++)
                sums[q][i] = (i32x16){0};
        for (int32_t position = begin / 2 * 2; position < end;) {
            const size_t place = ((size_t)(position % 8 / 2) * size + d) * 4;
            const uint8_t *value = span->values[position / 8] + place;
            const uint8_t *ahead = next ? next->values[position / 8] + place : NULL;
            const int32_t unit_end = position / 8 * 8 + 8 < end ? position / 8 * 8 + 8 : end;
            for (; position < unit_end; position += 2, value += (size_t)size * 4) {
#pragma unroll
                for (int i = 0; i < vectors; i++) {
                    if (next)
                        __builtin_prefetch(ahead + (size_t)i * 64);
                    const pairs16 pairs = load_pairs(value + (size_t)i * 64);
#pragma unroll
                    for (int q = 0; q < count; q++)
                        sums[q][i] =
                            dot_pairs(sums[q][i], pairs, (const int16_t *)(const void *)weights[q] + position);
                }
                if (next)
                    ahead += (size_t)size * 4;
            }
        }
#pragma unroll
        for (int q = 0; q < count; q++)
            for (int i = 0; i < vectors; i++) {
                float *at = out[q] + d + i * 16;
                store16f(
                    at, fma16(
                            __builtin_convertvector(sums[q][i], f32x16), broadcast16(factors[q]),
                            load16f(at) * broadcast16(corrections[q])));
            }
    }
    return d;
}

/// The same for 8 dimensions, of one query.
PG_INLINE void add_eight_int16(
    const struct span *span, int32_t size, const float weights[SPAN], float factor, int32_t begin, int32_t end,
    float correction, float *out, int32_t d
) {
    i32x16 sums = {0};
    for (int32_t position = begin / 2 * 2; position < end; position += 2) {
        uint8_t pairs[64] = {0};
        memcpy(pairs, span->values[position / 8] + ((size_t)(position % 8 / 2) * size + d) * 4, 32);
        sums = dot_pairs(sums, load_pairs(pairs), (const int16_t *)(const void *)weights + position);
    }
    const f32x8 products = low8(__builtin_convertvector(sums, f32x16));
    store8(out + d, fma8(products, broadcast8(factor), load8(out + d) * broadcast8(correction)));
}

/// The same for all dimensions.
PG_INLINE void add_values_int16(
    const struct span *span, const struct span *next, int32_t size, float (*weights)[SPAN], const float *factors,
    int32_t begin, int32_t end, const float *corrections, float *const *out, int count
) {
    int32_t d = 0;
    if (PG_PAIR_VECTORS(count) > 2)
        d = add_dimensions_int16(span, next, size, weights, factors, begin, end, corrections, out, count, d, 4);
    if (PG_PAIR_VECTORS(count) > 1)
        d = add_dimensions_int16(span, next, size, weights, factors, begin, end, corrections, out, count, d, 2);
    d = add_dimensions_int16(span, next, size, weights, factors, begin, end, corrections, out, count, d, 1);
    for (int q = 0; q < count && d < size; q++)
        add_eight_int16(span, size, weights[q], factors[q], begin, end, corrections[q], out[q], d);
}
