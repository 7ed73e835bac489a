// Passes over a row of logits, for one instruction set: included by the file that chooses it and names it in PG_NAME.

#include <math.h>

#include "pg_vector.h"
#include "simd.h"

/// The last `count` < 8 values, filled up with −inf.
PG_INLINE f32x8 load_tail8(const float *from, int32_t count) {
    f32x8 value = broadcast8(-INFINITY);
    memcpy(&value, from, (size_t)count * sizeof(float));
    return value;
}

PG_INLINE i32x8 select8(i32x8 mask, i32x8 chosen, i32x8 other) {
    return (chosen & mask) | (other & ~mask);
}

struct pg_extreme PG_NAME(pg_argmax)(const float *values, int32_t size) {
    f32x8 best = broadcast8(-INFINITY);
    i32x8 where = {0}, nan = {0};
    i32x8 index = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int32_t i = 0; i < size; i += 8, index += 8) {
        const f32x8 value = size - i >= 8 ? load8(values + i) : load_tail8(values + i, size - i);
        const i32x8 greater = value > best;
        best = (f32x8)select8(greater, (i32x8)value, (i32x8)best);
        where = select8(greater, index, where);
        nan |= value != value;
    }
    struct pg_extreme result = {-INFINITY, 0, 0};
    for (int lane = 0; lane < 8; lane++) {
        // Each lane has its first; of equal ones the lowest index counts.
        if (best[lane] > result.value || (best[lane] == result.value && where[lane] < result.index)) {
            result.value = best[lane];
            result.index = where[lane];
        }
        result.is_nan |= nan[lane] != 0;
    }
    return result;
}

void PG_NAME(pg_block_maxima)(const float *values, int32_t size, int32_t block, float *maxima) {
    for (int32_t start = 0; start < size; start += block) {
        const int32_t end = size - start < block ? size : start + block;
        f32x8 best = broadcast8(-INFINITY);
        for (int32_t i = start; i < end; i += 8)
            best = max8(end - i >= 8 ? load8(values + i) : load_tail8(values + i, end - i), best);
        maxima[start / block] = highest8(best);
    }
}

/// exp((value − shift) × scale); far below, the argument is cut off to stay a number.
PG_INLINE f32x8 shifted_exp8(f32x8 value, f32x8 shift, f32x8 scale) {
    return exp8(max8((value - shift) * scale, broadcast8(-100.0f)));
}

float PG_NAME(pg_exp_sum)(const float *values, int32_t size, float shift, float scale) {
    f32x8 sum = broadcast8(0);
    for (int32_t i = 0; i < size; i += 8) {
        const f32x8 value = size - i >= 8 ? load8(values + i) : load_tail8(values + i, size - i);
        sum += shifted_exp8(value, broadcast8(shift), broadcast8(scale));
    }
    return sum8(sum);
}

void PG_NAME(pg_exp)(const float *values, int32_t size, float shift, float scale, float *out) {
    for (int32_t i = 0; i < size; i += 8) {
        const int32_t count = size - i >= 8 ? 8 : size - i;
        const f32x8 value = count == 8 ? load8(values + i) : load_tail8(values + i, count);
        const f32x8 result = shifted_exp8(value, broadcast8(shift), broadcast8(scale));
        memcpy(out + i, &result, (size_t)count * sizeof(float));
    }
}

void PG_NAME(pg_softcap)(float *values, int32_t size, float cap) {
    const f32x8 inverse = broadcast8(1.0f / cap);
    for (int32_t i = 0; i < size; i += 8) {
        const int32_t count = size - i >= 8 ? 8 : size - i;
        const f32x8 value = count == 8 ? load8(values + i) : load_tail8(values + i, count);
        const f32x8 result = tanh8(value * inverse) * broadcast8(cap);
        memcpy(values + i, &result, (size_t)count * sizeof(float));
    }
}

int32_t PG_NAME(pg_count)(const float *values, int32_t size, float threshold) {
    i32x8 counts = {0};
    int32_t i = 0;
    for (; size - i >= 8; i += 8)
        counts -= load8(values + i) >= broadcast8(threshold);
    int32_t count = 0;
    for (int lane = 0; lane < 8; lane++)
        count += counts[lane];
    for (; i < size; i++)
        count += values[i] >= threshold;
    return count;
}

/// Whether any of eight values is at least `threshold`.
PG_INLINE int reaches8(f32x8 value, f32x8 threshold) {
    const i32x8 mask = value >= threshold;
    int64_t quarters[4];
    memcpy(quarters, &mask, sizeof mask);
    return ((quarters[0] | quarters[1]) | (quarters[2] | quarters[3])) != 0;
}

int32_t PG_NAME(pg_collect)(
    const float *values, int32_t size, float threshold, int32_t capacity, int32_t *indices, float *collected
) {
    int32_t count = 0;
    for (int32_t i = 0; i < size; i += 8) {
        // Few reach it: eight at once are passed over.
        if (size - i >= 8 && !reaches8(load8(values + i), broadcast8(threshold)))
            continue;
        const int32_t end = size - i >= 8 ? i + 8 : size;
        for (int32_t j = i; j < end && count < capacity; j++) {
            if (values[j] >= threshold) {
                indices[count] = j;
                collected[count++] = values[j];
            }
        }
    }
    return count;
}
