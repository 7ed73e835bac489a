// What every AVX2 file begins with. Functions from here to the pop at the file's end are compiled for AVX2, FMA and
// F16C, or for what the including file says in PG_X86_TARGET, under the name it says in PG_NAME.

#include <immintrin.h>

#ifndef PG_X86_TARGET
#define PG_X86_TARGET "avx2,fma,f16c"
#define PG_NAME(name) name##_avx2
#endif

#pragma clang attribute push(__attribute__((target(PG_X86_TARGET))), apply_to = function)

#define PG_LOAD_HALF8(at) load_half8(at)
#define PG_LOAD_HALF16(at) load_half16(at)
#define PG_STORE_HALF8(at, value) store_half8(at, value)

#include "simd.h"

PG_INLINE f32x8 load_half8(const void *from) {
    return (f32x8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
}

PG_INLINE __attribute__((unused)) f32x16 load_half16(const void *from) {
    return __builtin_shufflevector(
        load_half8(from), load_half8((const uint8_t *)from + 16), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

PG_INLINE __attribute__((unused)) void store_half8(void *to, f32x8 value) {
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT));
}
