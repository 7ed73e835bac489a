// The KV cache, for one instruction set: how its numbers are kept, and where those of a span are.

#include "pg_attention.h"
#include "simd.h"

#define SPAN PG_ATTENTION_SPAN

/// Units of 8 positions in a span; a block holds whole units.
#define UNITS (SPAN / 8)

PG_INLINE size_t cache_element_bytes(int32_t type) {
    return type == PG_CACHE_F32 ? 4 : type == PG_CACHE_INT8 ? 1 : 2;
}

/// Where the keys (or values) of a head begin in a block.
PG_INLINE size_t head_offset(const struct pg_cache *cache, size_t block, int32_t head) {
    return (block * cache->kv_heads + head) * pg_cache_head_bytes(cache->type, cache->head_size, cache->block_size);
}

PG_INLINE f32x16 cache_load16(int32_t type, const uint8_t *at) {
    if (type == PG_CACHE_F32)
        return load16f((const float *)(const void *)at);
    if (type == PG_CACHE_F16)
        return PG_LOAD_HALF16(at);
    if (type == PG_CACHE_INT8) {
        i8x16 codes;
        memcpy(&codes, at, 16);
        return __builtin_convertvector(codes, f32x16);
    }
    u16x16 raw;
    memcpy(&raw, at, 32);
    return (f32x16)(__builtin_convertvector(raw, i32x16) << 16);
}

PG_INLINE f32x8 cache_load8(int32_t type, const uint8_t *at) {
    if (type == PG_CACHE_F32)
        return load8((const float *)(const void *)at);
    if (type == PG_CACHE_F16)
        return PG_LOAD_HALF8(at);
    if (type == PG_CACHE_INT8) {
        i8x8 codes;
        memcpy(&codes, at, 8);
        return __builtin_convertvector(codes, f32x8);
    }
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

/// Quantises a head's keys or values, which `step` bytes apart go to `out`, and stores their scale.
PG_INLINE void store_int8(const float *values, int32_t size, uint8_t *out, size_t step, uint8_t *scale_out) {
    const i32x8 magnitude = (i32x8){-1, -1, -1, -1, -1, -1, -1, -1} & 0x7fffffff;
    const f32x8 magic = broadcast8(12582912.0f); // 1.5 × 2^23: adding it rounds to an integer
    f32x8 highest = broadcast8(0);
    for (int32_t i = 0; i < size; i += 8)
        highest = max8(highest, (f32x8)((i32x8)load8(values + i) & magnitude));
    const float top = highest8(highest), scale = top / 127.0f;
    // 127 / top would overflow where even the largest value is next to nothing.
    const float inverse = top >= 0x1p-120f ? 127.0f / top : 0;
    memcpy(scale_out, &scale, sizeof scale);
    for (int32_t i = 0; i < size; i += 8) {
        const i32x8 codes = (i32x8)(load8(values + i) * broadcast8(inverse) + magic);
        for (int lane = 0; lane < 8; lane++)
            out[(size_t)(i + lane) * step] = (uint8_t)codes[lane]; // the lowest bits are the code's
    }
}

void PG_NAME(pg_cache_store)(const struct pg_cache *cache, int64_t slot, const float *keys, const float *values) {
    const int32_t size = cache->head_size, block_size = cache->block_size;
    const size_t bytes = cache_element_bytes(cache->type);
    const size_t block = (size_t)(slot / block_size), offset = (size_t)(slot % block_size);
    for (int32_t head = 0; head < cache->kv_heads; head++, keys += size, values += size) {
        const size_t base = head_offset(cache, block, head);
        uint8_t *key_out = cache->keys + base + offset * bytes;
        uint8_t *value_out = cache->values + base + offset * size * bytes;
        if (cache->type == PG_CACHE_INT8) {
            const size_t scale = base + (size_t)size * block_size + offset * sizeof(float);
            store_int8(keys, size, key_out, (size_t)block_size, cache->keys + scale);
            store_int8(values, size, value_out, 1, cache->values + scale);
            continue;
        }
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

/// Where the keys and values of a span are: in the cache itself, or copied and converted to fp32.
struct span {
    const uint8_t *keys[UNITS];   // 8 positions of dimension 0; units 2i and 2i + 1 follow each other
    size_t key_stride;            // bytes from a dimension to the next
    const uint8_t *values[UNITS]; // position 0 of the unit, [8, head_size]
    int is_scaled;                // whether both are codes, in int8 or as fp32, with a scale for each position
    float key_scales[SPAN];
    float value_scales[SPAN];
};

/// Finds the scales of a unit, in a block of codes at `base`.
PG_INLINE void find_scales(const struct pg_cache *cache, size_t base, size_t offset, int32_t unit, struct span *span) {
    const size_t scales = base + (size_t)cache->head_size * cache->block_size + offset * sizeof(float);
    memcpy(span->key_scales + unit, cache->keys + scales, 8 * sizeof(float));
    memcpy(span->value_scales + unit, cache->values + scales, 8 * sizeof(float));
}

/// Finds a span's `count` positions from `first` on of a head in the cache. Units past the last stay on it: they are
/// never used.
PG_INLINE void find_span(
    const struct pg_cache *cache, const struct pg_attention_task *task, int32_t head, int32_t first, int32_t count,
    struct span *span
) {
    const int32_t size = cache->head_size, block_size = cache->block_size;
    const size_t bytes = cache_element_bytes(cache->type);
    span->key_stride = (size_t)block_size * bytes;
    span->is_scaled = cache->type == PG_CACHE_INT8;
    const int32_t last = (count - 1) / 16 * 2 + 1;
    for (int32_t unit = 0; unit < UNITS; unit++) {
        const int32_t position = first + (unit <= last ? unit : last - 1 + unit % 2) * 8;
        const size_t block = (size_t)task->block_table[position / block_size], offset = (size_t)(position % block_size);
        const size_t base = head_offset(cache, block, head);
        span->keys[unit] = cache->keys + base + offset * bytes;
        span->values[unit] = cache->values + base + offset * size * bytes;
        if (span->is_scaled)
            find_scales(cache, base, offset, unit * 8, span);
    }
}

/// What is asked for while head `index` of `heads` computes: its share of the span of all of them, in the order in
/// which they are in memory, since memory is read fastest so.
PG_INLINE void find_ahead(
    const struct pg_cache *cache, const struct pg_attention_task *task, int32_t heads, int32_t index, int32_t first,
    int32_t count, struct span *ahead
) {
    const int32_t size = cache->head_size, block_size = cache->block_size, halves = block_size / 16;
    const size_t bytes = cache_element_bytes(cache->type);
    ahead->key_stride = (size_t)block_size * bytes;
    const int32_t last = (count - 1) / 16;
    for (int32_t i = 0; i < UNITS / 2; i++) {
        const int32_t place = index * (UNITS / 2) + i, in_block = place % (heads * halves);
        const int32_t sixteen = place / (heads * halves) * halves + in_block % halves;
        const int32_t position = first + (sixteen < last ? sixteen : last) * 16;
        const size_t block = (size_t)task->block_table[position / block_size], offset = (size_t)(position % block_size);
        const size_t base = head_offset(cache, block, task->kv_head + in_block / halves);
        for (int32_t j = 0; j < 2; j++) {
            ahead->keys[2 * i + j] = cache->keys + base + (offset + (size_t)j * 8) * bytes;
            ahead->values[2 * i + j] = cache->values + base + (offset + (size_t)j * 8) * size * bytes;
        }
    }
}

/// Copies a span's `count` positions from `first` on of a head to fp32: keys [head_size, SPAN], values
/// [SPAN, head_size].
PG_INLINE void copy_span(
    int32_t type, const struct pg_cache *cache, const struct pg_attention_task *task, int32_t head, int32_t first,
    int32_t count, float *restrict keys, float *restrict values, struct span *span
) {
    const int32_t size = cache->head_size, block_size = cache->block_size;
    const size_t bytes = cache_element_bytes(type);
    span->is_scaled = type == PG_CACHE_INT8;
    for (int32_t unit = 0; unit < count; unit += 8) {
        const int32_t position = first + unit;
        const size_t block = (size_t)task->block_table[position / block_size], offset = (size_t)(position % block_size);
        const size_t base = head_offset(cache, block, head);
        if (span->is_scaled)
            find_scales(cache, base, offset, unit, span);
        const uint8_t *key = cache->keys + base + offset * bytes;
        for (int32_t i = 0; i < size; i++, key += (size_t)block_size * bytes)
            store8(keys + (size_t)i * SPAN + unit, cache_load8(type, key));
        const uint8_t *value = cache->values + base + offset * size * bytes;
        float *value_out = values + (size_t)unit * size;
        for (int32_t i = 0; i < 8 * size; i += 8)
            store8(value_out + i, cache_load8(type, value + (size_t)i * bytes));
    }
    span->key_stride = SPAN * sizeof(float);
    for (int32_t unit = 0; unit < UNITS; unit++) {
        span->keys[unit] = (const uint8_t *)(keys + unit * 8);
        span->values[unit] = (const uint8_t *)(values + (size_t)unit * 8 * size);
    }
}
