// What every AVX-512 file begins with. Functions from here to the pop at the file's end are compiled for AVX-512 with
// its F, BW, DQ, VL and VNNI parts: every CPU that has VNNI has the others.

#include <immintrin.h>

#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), \
    apply_to = function)

#define PG_LOAD_HALF8(at) load_half8(at)
#define PG_LOAD_HALF16(at) load_half16(at)
#define PG_STORE_HALF8(at, value) store_half8(at, value)
#define PG_NAME(name) name##_avx512

#include "simd.h"

PG_INLINE __attribute__((unused)) f32x8 load_half8(const void *from) {
    return (f32x8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
}

PG_INLINE __attribute__((unused)) f32x16 load_half16(const void *from) {
    return (f32x16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
}

PG_INLINE __attribute__((unused)) void store_half8(void *to, f32x8 value) {
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT));
}
