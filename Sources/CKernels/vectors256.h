// Vectors of 8 rows for the integer products of AVX2 and AVX-VNNI.

typedef i32x8 ivec;
typedef f32x8 fvec;

PG_INLINE fvec broadcast(float value) {
    return broadcast8(value);
}

PG_INLINE fvec load_halves(const uint8_t *at) {
    return PG_LOAD_HALF8(at);
}

PG_INLINE fvec multiply_add(fvec a, fvec b, fvec c) {
    return fma8(a, b, c);
}

PG_INLINE ivec load_vector(const uint8_t *at) {
    return (ivec)_mm256_loadu_si256((const __m256i *)at);
}

PG_INLINE ivec broadcast_four(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return (ivec)_mm256_set1_epi32(four);
}
