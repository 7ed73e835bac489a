// What every AVX2 file begins with. Functions from here to the pop at the file's end are
// compiled for AVX2, FMA and F16C.

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define PG_LOAD_HALF8(at) load_half8_avx2(at)
#define PG_STORE_HALF8(at, value) store_half8_avx2(at, value)
#define PG_NAME(name) name##_avx2

#include "simd.h"

PG_INLINE f32x8 load_half8_avx2(const void *from) {
    return (f32x8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
}

PG_INLINE __attribute__((unused)) void store_half8_avx2(void *to, f32x8 value) {
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT));
}
