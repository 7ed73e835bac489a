// The KV cache, for one instruction set: how its numbers are kept, and where those of a span are.

#include "pg_attention.h"
#include "simd.h"

#define SPAN PG_ATTENTION_SPAN

/// Units of 8 positions in a span; a block holds whole units.
#define UNITS (SPAN / 8)

PG_INLINE size_t cache_element_bytes(int32_t type) {
    return type == PG_CACHE_F32 ? 4 : type == PG_CACHE_INT8 ? 1 : 2;
}

/// Whether what is kept are codes, with a scale for each position.
PG_INLINE int is_coded(int32_t type) {
    return type == PG_CACHE_INT8 || type == PG_CACHE_INT16;
}

/// Bytes from a position's key to the next one's, in the same dimension; int16 has two dimensions there.
PG_INLINE size_t key_step(int32_t type) {
    return type == PG_CACHE_INT16 ? 4 : cache_element_bytes(type);
}

/// Bytes from a dimension's keys of a block to the next one's, or from two dimensions' to the next two's.
PG_INLINE size_t key_stride(const struct pg_cache *cache) {
    return (size_t)cache->block_size * key_step(cache->type);
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

/// The largest codes, of either sign.
#define LARGEST_INT8 127.0f
#define LARGEST_INT16 4095.0f

/// What codes of some numbers are multiplied with, and the numbers to become codes.
struct code_scale {
    float scale, inverse;
};

PG_INLINE struct code_scale code_scale_of(const float *values, int32_t size, float largest) {
    const i32x8 magnitude = (i32x8){-1, -1, -1, -1, -1, -1, -1, -1} & 0x7fffffff;
    f32x8 highest = broadcast8(0);
    for (int32_t i = 0; i < size; i += 8)
        highest = max8(highest, (f32x8)((i32x8)load8(values + i) & magnitude));
    const float top = highest8(highest);
    // The inverse would overflow where even the largest value is next to nothing.
    return (struct code_scale){top / largest, top >= largest * 0x1p-127f ? largest / top : 0};
}

PG_INLINE i32x8 codes_of(f32x8 values, struct code_scale scale) {
    const f32x8 magic = broadcast8(12582912.0f); // 1.5 × 2^23: adding it rounds to an integer
    return (i32x8)(values * broadcast8(scale.inverse) + magic) - 0x4b400000;
}

/// Quantises a head's keys or values and stores their scale. Codes are `step` bytes apart; of int16, those of two
/// neighbours are, and `second` bytes lie between them.
PG_INLINE void store_codes(
    int32_t type, const float *values, int32_t size, uint8_t *out, size_t step, size_t second, uint8_t *scale_out
) {
    const struct code_scale scale = code_scale_of(values, size, type == PG_CACHE_INT8 ? LARGEST_INT8 : LARGEST_INT16);
    memcpy(scale_out, &scale.scale, sizeof scale.scale);
    for (int32_t i = 0; i < size; i += 8) {
        const i32x8 codes = codes_of(load8(values + i), scale);
        for (int lane = 0; lane < 8; lane++) {
            const int16_t code = (int16_t)codes[lane];
            if (type == PG_CACHE_INT8)
                out[(size_t)(i + lane) * step] = (uint8_t)code;
            else
                memcpy(out + (size_t)((i + lane) / 2) * step + (size_t)(lane % 2) * second, &code, 2);
        }
    }
}

/// Where the scale of a position is, in a block of codes at `base`.
PG_INLINE size_t scale_place(const struct pg_cache *cache, size_t base, size_t offset) {
    return base + (size_t)cache->head_size * cache->block_size * cache_element_bytes(cache->type)
        + offset * sizeof(float);
}

void PG_NAME(pg_cache_store)(const struct pg_cache *cache, int64_t slot, const float *keys, const float *values) {
    const int32_t size = cache->head_size, block_size = cache->block_size;
    const size_t bytes = cache_element_bytes(cache->type);
    const size_t block = (size_t)(slot / block_size), offset = (size_t)(slot % block_size);
    for (int32_t head = 0; head < cache->kv_heads; head++, keys += size, values += size) {
        const size_t base = head_offset(cache, block, head);
        uint8_t *key_out = cache->keys + base + offset * key_step(cache->type);
        uint8_t *value_out = cache->values + base + offset * size * bytes;
        if (is_coded(cache->type)) {
            uint8_t *key_scale = cache->keys + scale_place(cache, base, offset);
            uint8_t *value_scale = cache->values + scale_place(cache, base, offset);
            if (cache->type == PG_CACHE_INT8) {
                store_codes(PG_CACHE_INT8, keys, size, key_out, key_stride(cache), 0, key_scale);
                store_codes(PG_CACHE_INT8, values, size, value_out, 1, 0, value_scale);
            } else {
                // Of values two positions are neighbours.
                value_out = cache->values + base + (offset / 2 * 2 * size + offset % 2) * 2;
                store_codes(PG_CACHE_INT16, keys, size, key_out, key_stride(cache), 2, key_scale);
                store_codes(PG_CACHE_INT16, values, size, value_out, 8, 4, value_scale);
            }
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
    size_t key_stride;            // as of key_stride()
    const uint8_t *values[UNITS]; // position 0 of the unit, [8, head_size]
    int is_scaled;                // whether both are codes, as they are or as fp32, with a scale for each position
    float key_scales[SPAN];
    float value_scales[SPAN];
};

/// Where a position of a head is: its block's first byte of that head, and its place in the block.
struct place {
    size_t base, offset;
};

PG_INLINE struct place find_place(
    const struct pg_cache *cache, const struct pg_attention_task *task, int32_t head, int32_t position
) {
    // Most sizes are powers of 2, and divisions slow.
    const int32_t size = cache->block_size, is_power = (size & (size - 1)) == 0;
    const int32_t index = is_power ? position >> __builtin_ctz((unsigned)size) : position / size;
    return (struct place){
        head_offset(cache, (size_t)task->block_table[index], head), (size_t)(position - index * size)};
}

/// Finds the scales of `count` positions, 8 or 16, the `first` ones of a span.
PG_INLINE void find_scales(
    const struct pg_cache *cache, struct place place, int32_t first, int32_t count, struct span *span
) {
    const size_t scales = scale_place(cache, place.base, place.offset);
    memcpy(span->key_scales + first, cache->keys + scales, (size_t)count * sizeof(float));
    memcpy(span->value_scales + first, cache->values + scales, (size_t)count * sizeof(float));
}

/// Finds a span's `count` positions from `first` on of a head in the cache, whose blocks hold a multiple of 16. Those
/// past the last 16 stay on them: they are never used.
PG_INLINE void find_span(
    const struct pg_cache *cache, const struct pg_attention_task *task, int32_t head, int32_t first, int32_t count,
    struct span *span
) {
    const size_t value_step = (size_t)cache->head_size * cache_element_bytes(cache->type);
    span->key_stride = key_stride(cache);
    span->is_scaled = is_coded(cache->type);
    const int32_t last = (count - 1) / 16;
    for (int32_t i = 0; i < UNITS / 2; i++) {
        const struct place place = find_place(cache, task, head, first + (i < last ? i : last) * 16);
        span->keys[2 * i] = cache->keys + place.base + place.offset * key_step(cache->type);
        span->keys[2 * i + 1] = span->keys[2 * i] + 8 * key_step(cache->type);
        span->values[2 * i] = cache->values + place.base + place.offset * value_step;
        span->values[2 * i + 1] = span->values[2 * i] + 8 * value_step;
        if (span->is_scaled)
            find_scales(cache, place, i * 16, 16, span);
    }
}

/// What is asked for while head `index` of `heads` computes: its share of the span of all of them, in the order in
/// which they are in memory, since memory is read fastest so. Scales are asked for at once.
PG_INLINE void find_ahead(
    const struct pg_cache *cache, const struct pg_attention_task *task, int32_t heads, int32_t index, int32_t first,
    int32_t count, struct span *ahead
) {
    const size_t value_step = (size_t)cache->head_size * cache_element_bytes(cache->type);
    ahead->key_stride = key_stride(cache);
    // A block's sixteens of all heads, head by head, then those of the next block.
    const int32_t halves = cache->block_size / 16, last = (count - 1) / 16;
    int32_t in_block = index * (UNITS / 2) % (heads * halves), block = index * (UNITS / 2) / (heads * halves);
    for (int32_t i = 0; i < UNITS / 2; i++) {
        const int32_t sixteen = block * halves + (halves == 1 ? 0 : in_block % halves);
        const int32_t head = task->kv_head + (halves == 1 ? in_block : in_block / halves);
        const struct place place = find_place(cache, task, head, first + (sixteen < last ? sixteen : last) * 16);
        ahead->keys[2 * i] = cache->keys + place.base + place.offset * key_step(cache->type);
        ahead->keys[2 * i + 1] = ahead->keys[2 * i] + 8 * key_step(cache->type);
        ahead->values[2 * i] = cache->values + place.base + place.offset * value_step;
        ahead->values[2 * i + 1] = ahead->values[2 * i] + 8 * value_step;
        if (is_coded(cache->type)) {
            __builtin_prefetch(cache->keys + scale_place(cache, place.base, place.offset));
            __builtin_prefetch(cache->values + scale_place(cache, place.base, place.offset));
        }
        if (++in_block == heads * halves) {
            in_block = 0;
            block++;
        }
    }
}

/// Copies a span's `count` positions from `first` on of a head: keys [head_size, SPAN], values [SPAN, head_size]. Int16
/// stays what it is, all others become fp32.
PG_INLINE void copy_span(
    int32_t type, const struct pg_cache *cache, const struct pg_attention_task *task, int32_t head, int32_t first,
    int32_t count, float *restrict keys, float *restrict values, struct span *span
) {
    const int32_t size = cache->head_size;
    const size_t bytes = cache_element_bytes(type);
    span->is_scaled = is_coded(type);
    for (int32_t unit = 0; unit < count; unit += 8) {
        const struct place place = find_place(cache, task, head, first + unit);
        if (span->is_scaled)
            find_scales(cache, place, unit, 8, span);
        const uint8_t *key = cache->keys + place.base + place.offset * key_step(type);
        const uint8_t *value = cache->values + place.base + place.offset * size * bytes;
        if (type == PG_CACHE_INT16) {
            for (int32_t i = 0; i < size; i += 2, key += key_stride(cache))
                memcpy(keys + (size_t)(i / 2) * SPAN + unit, key, 8 * sizeof(float));
            memcpy((uint8_t *)values + (size_t)unit * size * bytes, value, (size_t)8 * size * bytes);
            continue;
        }
        for (int32_t i = 0; i < size; i++, key += key_stride(cache))
            store8(keys + (size_t)i * SPAN + unit, cache_load8(type, key));
        float *value_out = values + (size_t)unit * size;
        for (int32_t i = 0; i < 8 * size; i += 8)
            store8(value_out + i, cache_load8(type, value + (size_t)i * bytes));
    }
    const size_t copied_bytes = type == PG_CACHE_INT16 ? bytes : sizeof(float);
    span->key_stride = SPAN * sizeof(float);
    for (int32_t unit = 0; unit < UNITS; unit++) {
        span->keys[unit] = (const uint8_t *)(keys + unit * 8);
        span->values[unit] = (const uint8_t *)values + (size_t)unit * 8 * size * copied_bytes;
    }
}
