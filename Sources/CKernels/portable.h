// What every portable file begins with: fp16 without special instructions.

#define PG_LOAD_HALF8(at) load_half8_portable(at)
#define PG_LOAD_HALF16(at) load_half16_portable(at)
#define PG_STORE_HALF8(at, value) store_half8_portable(at, value)
#define PG_NAME(name) name##_portable

#include "simd.h"

PG_INLINE f32x8 load_half8_portable(const void *from) {
    uint16_t raw[8];
    memcpy(raw, from, 16);
    f32x8 value;
    for (int lane = 0; lane < 8; lane++)
        value[lane] = pg_half_to_float(raw[lane]);
    return value;
}

PG_INLINE __attribute__((unused)) f32x16 load_half16_portable(const void *from) {
    return __builtin_shufflevector(
        load_half8_portable(from), load_half8_portable((const uint8_t *)from + 16),
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

PG_INLINE __attribute__((unused)) void store_half8_portable(void *to, f32x8 value) {
    uint16_t raw[8];
    for (int lane = 0; lane < 8; lane++)
        raw[lane] = pg_float_to_half(value[lane]);
    memcpy(to, raw, 16);
}
