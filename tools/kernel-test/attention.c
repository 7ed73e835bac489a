// Paged attention and the cache: types, block sizes, prefill and decode, windows, groups of heads.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "half.h"

#define POSITIONS 75
#define KV_HEADS 2

struct shape {
    int32_t head_size, group_size;
};

/// A sequence: queries [POSITIONS, KV_HEADS × group, head_size], keys and values [POSITIONS, KV_HEADS, head_size].
struct sequence {
    struct shape shape;
    size_t row; // floats of a row of queries
    float *queries, *keys, *values;
};

static size_t element_bytes(int32_t type) {
    return type == PG_CACHE_F32 ? 4 : 2;
}

/// What the cache keeps of a value.
static double stored(int32_t type, float value) {
    if (type == PG_CACHE_F32)
        return value;
    if (type == PG_CACHE_F16)
        return pg_half_to_float(pg_float_to_half(value));
    const uint32_t bits = pg_bits_from_float(value);
    return pg_bfloat_to_float((uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16));
}

/// What a query sees, and how its scores are bent.
struct view {
    int32_t window;
    float softcap;
};

/// Stores the sequence in blocks of a random order, then attends `chunk` rows a call, of single rows to all heads.
/// `out` is like the queries.
static void attend(
    const struct sequence *sequence, const struct variant *variant, int32_t type, int32_t block_size, int32_t chunk,
    struct view view, float *out
) {
    const int32_t size = sequence->shape.head_size, group = sequence->shape.group_size;
    const int32_t block_count = (POSITIONS + block_size - 1) / block_size;
    const size_t bytes = (size_t)block_count * KV_HEADS * pg_cache_head_bytes(type, size, block_size);
    struct pg_cache cache = {allocate(bytes), allocate(bytes), type, block_size, KV_HEADS, size};
    // What was in a block before must not matter, as long as it is a number.
    for (size_t i = 0; i < bytes; i++)
        cache.keys[i] = cache.values[i] = 0x3c;
    int32_t table[POSITIONS];
    struct random random = random_from(400 + (uint64_t)block_size);
    for (int32_t i = 0; i < block_count; i++) {
        const int32_t place = random_below(&random, i + 1);
        table[i] = table[place];
        table[place] = i;
    }
    for (int32_t position = 0; position < POSITIONS; position++)
        variant->kernels.cache_store(
            &cache, (int64_t)table[position / block_size] * block_size + position % block_size,
            sequence->keys + (size_t)position * KV_HEADS * size, sequence->values + (size_t)position * KV_HEADS * size);
    float *scratch = allocate(sizeof(float) * pg_attention_scratch(group, size));
    for (int32_t first = 0; first < POSITIONS; first += chunk) {
        for (int32_t head = 0; head < (chunk == 1 ? 1 : KV_HEADS); head++) {
            const int32_t rows = chunk == 1 ? KV_HEADS : POSITIONS - first < chunk ? POSITIONS - first : chunk;
            const size_t stride = chunk == 1 ? (size_t)group * size : sequence->row;
            const size_t at = (size_t)first * sequence->row + (size_t)head * group * size;
            const struct pg_attention_task task = {
                .queries = sequence->queries + at, .out = out + at, .query_stride = stride, .out_stride = stride,
                .row_count = rows, .rows_are_heads = chunk == 1,
                .first_position = first, .kv_head = head, .group_size = group, .window = view.window,
                .scale = 0.125f, .softcap = view.softcap, .block_table = table, .part_end = INT32_MAX,
            };
            variant->kernels.attend(&cache, &task, scratch);
        }
    }
    free(scratch);
    free(cache.keys);
    free(cache.values);
}

static void check_against_doubles(
    const struct sequence *sequence, int32_t type, struct view view, double allowed, const float *out
) {
    const int32_t size = sequence->shape.head_size, group = sequence->shape.group_size;
    double *mean = allocate(sizeof(double) * size);
    for (int32_t row = 0; row < POSITIONS; row++) {
        const int32_t begin = view.window > 0 && row - view.window + 1 > 0 ? row - view.window + 1 : 0;
        for (int32_t head = 0; head < KV_HEADS * group; head++) {
            const float *query = sequence->queries + (size_t)row * sequence->row + (size_t)head * size;
            double sum = 0, highest = -INFINITY, scores[POSITIONS];
            for (int32_t position = begin; position <= row; position++) {
                const float *key = sequence->keys + ((size_t)position * KV_HEADS + head / group) * size;
                scores[position] = 0;
                for (int32_t d = 0; d < size; d++)
                    scores[position] += query[d] * stored(type, key[d]) * 0.125;
                if (view.softcap > 0)
                    scores[position] = view.softcap * tanh(scores[position] / view.softcap);
                highest = fmax(highest, scores[position]);
            }
            memset(mean, 0, sizeof(double) * size);
            for (int32_t position = begin; position <= row; position++) {
                const float *value = sequence->values + ((size_t)position * KV_HEADS + head / group) * size;
                const double weight = exp(scores[position] - highest);
                sum += weight;
                for (int32_t d = 0; d < size; d++)
                    mean[d] += weight * stored(type, value[d]);
            }
            const float *actual = out + (size_t)row * sequence->row + (size_t)head * size;
            double worst = 0;
            for (int32_t d = 0; d < size; d++)
                worst = fmax(worst, fabs(actual[d] - mean[d] / sum));
            check(worst <= allowed, "row %d, head %d is %g off", row, head, worst);
        }
    }
    free(mean);
}

/// What codes up to `largest` keep of the heads of `values`, [count, size].
static void keep_codes(float *values, size_t count, int32_t size, float largest) {
    for (float *head = values; head < values + count * size; head += size) {
        float top = 0;
        for (int32_t d = 0; d < size; d++)
            top = fmaxf(top, fabsf(head[d]));
        for (int32_t d = 0; d < size; d++)
            head[d] = rintf(head[d] * (largest / top)) * (top / largest);
    }
}

static void check_sequence(struct shape shape, int32_t type, struct random *random) {
    static const struct view views[] = {{0, 0}, {1, 0}, {5, 2}, {40, 0}, {0, 2}};
    static const int32_t block_sizes[] = {8, 16, 32}, chunks[] = {1, 3, PG_ATTENTION_ROWS};
    const int is_coded = type == PG_CACHE_INT8 || type == PG_CACHE_INT16;
    int count;
    const struct variant *all = variants(&count);
    struct sequence sequence = {.shape = shape, .row = (size_t)KV_HEADS * shape.group_size * shape.head_size};
    const size_t query_count = POSITIONS * sequence.row, kv_count = (size_t)POSITIONS * KV_HEADS * shape.head_size;
    sequence.queries = allocate(sizeof(float) * query_count);
    sequence.keys = allocate(sizeof(float) * kv_count);
    sequence.values = allocate(sizeof(float) * kv_count);
    random_floats(random, sequence.queries, query_count, 3);
    random_floats(random, sequence.keys, kv_count, 2);
    random_floats(random, sequence.values, kv_count, 4);
    float *kept_keys = allocate(sizeof(float) * kv_count), *kept_values = allocate(sizeof(float) * kv_count);
    float *kept_queries = allocate(sizeof(float) * query_count);
    float *expected = allocate(sizeof(float) * query_count), *out = allocate(sizeof(float) * query_count);
    for (int w = 0; w < 5; w++) {
        attend(&sequence, &all[0], type, 32, 1, views[w], expected);
        digest(expected, sizeof(float) * query_count);
        struct sequence kept = sequence;
        if (is_coded) {
            const float largest = type == PG_CACHE_INT8 ? 127 : 4095;
            kept.keys = memcpy(kept_keys, sequence.keys, sizeof(float) * kv_count);
            kept.values = memcpy(kept_values, sequence.values, sizeof(float) * kv_count);
            keep_codes(kept.keys, kv_count / shape.head_size, shape.head_size, largest);
            keep_codes(kept.values, kv_count / shape.head_size, shape.head_size, largest);
        }
        if (type == PG_CACHE_INT16) {
            kept.queries = memcpy(kept_queries, sequence.queries, sizeof(float) * query_count);
            const float largest = shape.head_size <= 64 ? 8191 : 4095;
            keep_codes(kept.queries, query_count / shape.head_size, shape.head_size, largest);
        }
        // Of the weights, codes of int16 keep 13 bits.
        const double allowed = type == PG_CACHE_INT16 ? 2e-3 : 2e-5;
        check_against_doubles(&kept, is_coded ? PG_CACHE_F32 : type, views[w], allowed, expected);
        for (int v = 0; v < count; v++) {
            // Every block size with every chunk, over the windows.
            for (int b = 0; b < 3; b++) {
                const int32_t chunk = chunks[(b + w) % 3];
                memset(out, 0x55, sizeof(float) * query_count);
                attend(&sequence, &all[v], type, block_sizes[b], chunk, views[w], out);
                check_bytes(out, expected, sizeof(float) * query_count, "%s: blocks of %d, %d rows a call, view %d",
                            all[v].name, block_sizes[b], chunk, w);
            }
        }
    }
    free(sequence.queries);
    free(sequence.keys);
    free(sequence.values);
    free(kept_keys);
    free(kept_values);
    free(kept_queries);
    free(expected);
    free(out);
}

/// Codes are the nearest to what they stand for, and nothing, not even what is next to nothing, becomes no number.
static void check_codes(int32_t type, const char *name) {
    begin_group("attention: rounding of the %s cache", name);
    enum { SIZE = 64, BLOCK = 8 };
    int count;
    const struct variant *all = variants(&count);
    struct random random = random_from(403);
    const size_t bytes = pg_cache_head_bytes(type, SIZE, BLOCK), width = type == PG_CACHE_INT8 ? 1 : 2;
    const int32_t largest = type == PG_CACHE_INT8 ? 127 : 4095;
    struct pg_cache cache = {allocate(bytes), allocate(bytes), type, BLOCK, 1, SIZE};
    for (int v = 0; v < count; v++) {
        for (int round = 0; round < 400; round++) {
            float values[SIZE], scales[2], magnitude = ldexpf(1, random_below(&random, 250) - 130);
            random_floats(&random, values, SIZE, round % 50 ? magnitude : 0);
            const int64_t slot = round % BLOCK;
            all[v].kernels.cache_store(&cache, slot, values, values);
            memcpy(&scales[0], cache.keys + SIZE * BLOCK * width + (size_t)slot * 4, 4);
            memcpy(&scales[1], cache.values + SIZE * BLOCK * width + (size_t)slot * 4, 4);
            int wrong = scales[0] != scales[1];
            for (int d = 0; d < SIZE; d++) {
                int32_t key, value;
                if (type == PG_CACHE_INT8) {
                    key = (int8_t)cache.keys[(size_t)d * BLOCK + (size_t)slot];
                    value = (int8_t)cache.values[(size_t)slot * SIZE + d];
                } else {
                    int16_t codes[2];
                    memcpy(&codes[0], cache.keys + ((size_t)(d / 2) * BLOCK + (size_t)slot) * 4 + d % 2 * 2, 2);
                    memcpy(&codes[1], cache.values + ((size_t)(slot / 2) * SIZE + d) * 4 + slot % 2 * 2, 2);
                    key = codes[0];
                    value = codes[1];
                }
                wrong += key != value || abs(key) > largest
                    || !(fabs((double)key * scales[0] - values[d]) <= 0.501 * scales[0] + ldexp(largest, -127));
            }
            check(wrong == 0, "%s: %d of %d values in round %d", all[v].name, wrong, SIZE, round);
        }
    }
    free(cache.keys);
    free(cache.values);
    end_group();
}

/// What each type of cache keeps of numbers of all sizes, those that it must round to 0 or infinity included.
static void check_rounding(int32_t type, const char *name) {
    begin_group("attention: rounding of the %s cache", name);
    enum { SIZE = 64, BLOCK = 8, VALUES = 40000 / SIZE * SIZE };
    int count;
    const struct variant *all = variants(&count);
    struct random random = random_from(402);
    float *values = allocate(sizeof(float) * VALUES);
    for (size_t i = 0; i < VALUES; i++) {
        uint32_t bits = random_bits(&random);
        if (i % 2) // about the range of fp16, often halfway between two of its numbers
            bits = (bits & 0x80000000) | (98 + (bits >> 24 & 63) % 50) << 23 | (bits & 0x7fe000) | (bits & 1) << 12;
        if ((bits & 0x7f800000) == 0x7f800000)
            bits &= 0xbfffffff; // finite
        values[i] = pg_float_from_bits(bits);
    }
    const size_t bytes = BLOCK * SIZE * element_bytes(type);
    struct pg_cache cache = {allocate(bytes), allocate(bytes), type, BLOCK, 1, SIZE};
    for (int v = 0; v < count; v++) {
        for (size_t first = 0; first < VALUES; first += SIZE) {
            const int64_t slot = (int64_t)(first / SIZE % BLOCK);
            all[v].kernels.cache_store(&cache, slot, values + first, values + first);
            int wrong = 0;
            for (int d = 0; d < SIZE; d++) {
                uint32_t key = 0, value = 0;
                const size_t width = element_bytes(type);
                memcpy(&key, cache.keys + ((size_t)d * BLOCK + (size_t)slot) * width, width);
                memcpy(&value, cache.values + ((size_t)slot * SIZE + d) * width, width);
                const float rounded = (float)stored(type, values[first + d]);
                const uint32_t bits = pg_bits_from_float(rounded);
                const uint32_t expected = type == PG_CACHE_F32 ? bits
                    : type == PG_CACHE_BF16                    ? bits >> 16
                                                               : pg_float_to_half(values[first + d]);
                wrong += key != expected || value != expected;
            }
            check(wrong == 0, "%s: %d of %d values from %zu on", all[v].name, wrong, SIZE, first);
        }
    }
    free(cache.keys);
    free(cache.values);
    free(values);
    end_group();
}

void check_attention(void) {
    static const struct shape shapes[] = {{8, 1}, {64, 7}, {72, 3}, {128, 2}};
    static const struct {
        int32_t type;
        const char *name;
    } types[] = {
        {PG_CACHE_F32, "fp32"}, {PG_CACHE_F16, "fp16"}, {PG_CACHE_BF16, "bf16"}, {PG_CACHE_INT8, "int8"},
        {PG_CACHE_INT16, "int16"}};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        struct random random = random_from(401);
        begin_group("attention: %s cache", types[t].name);
        for (size_t s = 0; s < 4; s++)
            check_sequence(shapes[s], types[t].type, &random);
        end_group();
        if (types[t].type == PG_CACHE_INT8 || types[t].type == PG_CACHE_INT16)
            check_codes(types[t].type, types[t].name);
        else
            check_rounding(types[t].type, types[t].name);
    }
}
