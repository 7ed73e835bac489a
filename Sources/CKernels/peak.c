// Loops that do nothing but one kind of work, as fast as the instruction set allows.

#include "pg_peak.h"

#include <string.h>

#include "pg_cpu.h"

#define ACCUMULATORS 12

#if defined(__x86_64__)
#include <immintrin.h>

/// Keeps the compiler from seeing through a register.
#define OPAQUE(value) __asm__ volatile("" : "+v"(value))

#define EACH for (int i = 0; i < ACCUMULATORS; i++)

/// A loop over ACCUMULATORS independent sums; `SETUP` makes the operands, `STEP` does one sequence on `sums[i]`.
#define PEAK_LOOP(NAME, TARGET, VECTOR, ZERO, SETUP, STEP) \
    __attribute__((target(TARGET))) static void NAME(int64_t rounds, int32_t *sink) { \
        VECTOR sums[ACCUMULATORS]; \
        EACH sums[i] = ZERO; \
        SETUP; \
        for (int64_t round = 0; round < rounds; round++) { \
            EACH { STEP; } \
            EACH OPAQUE(sums[i]); \
        } \
        int32_t total = 0, words[sizeof(VECTOR) / 4]; \
        EACH { \
            memcpy(words, &sums[i], sizeof words); \
            total += words[0]; \
        } \
        *sink += total; \
    }

#define SETUP_FLOAT(VECTOR, ONE) VECTOR a = ONE, b = ONE; OPAQUE(a); OPAQUE(b)
#define SETUP_BYTES(VECTOR, FOUR) VECTOR a = FOUR, b = FOUR, ones = FOUR; OPAQUE(a); OPAQUE(b); OPAQUE(ones)

PEAK_LOOP(f32_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), SETUP_FLOAT(__m256, _mm256_set1_ps(0.5f)),
          sums[i] = _mm256_fmadd_ps(a, b, sums[i]))

// Eight multiplications summed in 16 bits, then widened and added once.
PEAK_LOOP(int4_avx2, "avx2", __m256i, _mm256_setzero_si256(), SETUP_BYTES(__m256i, _mm256_set1_epi8(1)),
          __m256i first = _mm256_maddubs_epi16(a, b);
          __m256i second = _mm256_maddubs_epi16(b, a);
          for (int v = 0; v < 3; v++) {
              OPAQUE(a);
              first = _mm256_add_epi16(first, _mm256_maddubs_epi16(a, b));
              OPAQUE(a);
              second = _mm256_add_epi16(second, _mm256_maddubs_epi16(b, a));
          }
          sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_add_epi16(first, second), ones)))

PEAK_LOOP(int8_avx2, "avx2", __m256i, _mm256_setzero_si256(), SETUP_BYTES(__m256i, _mm256_set1_epi8(1)),
          OPAQUE(a);
          sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones)))

PEAK_LOOP(int8_avxvnni, "avx2,avxvnni", __m256i, _mm256_setzero_si256(), SETUP_BYTES(__m256i, _mm256_set1_epi8(1)),
          (void)ones; sums[i] = _mm256_dpbusd_avx_epi32(sums[i], a, b))

PEAK_LOOP(f32_avx512, "avx512f", __m512, _mm512_setzero_ps(), SETUP_FLOAT(__m512, _mm512_set1_ps(0.5f)),
          sums[i] = _mm512_fmadd_ps(a, b, sums[i]))

PEAK_LOOP(int8_avx512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(),
          SETUP_BYTES(__m512i, _mm512_set1_epi32(0x01010101)),
          (void)ones; sums[i] = _mm512_dpbusd_epi32(sums[i], a, b))

int64_t pg_peak_run(int32_t isa, int32_t peak, int64_t rounds, int32_t *sink) {
    const int64_t sequences = rounds * ACCUMULATORS;
    switch (isa * 4 + peak) {
    case PG_ISA_AVX2 * 4 + PG_PEAK_F32:
    case PG_ISA_AVXVNNI * 4 + PG_PEAK_F32: f32_avx2(rounds, sink); return sequences * 8;
    case PG_ISA_AVX2 * 4 + PG_PEAK_INT4: int4_avx2(rounds, sink); return sequences * 256;
    case PG_ISA_AVX2 * 4 + PG_PEAK_INT8: int8_avx2(rounds, sink); return sequences * 32;
    case PG_ISA_AVXVNNI * 4 + PG_PEAK_INT4:
    case PG_ISA_AVXVNNI * 4 + PG_PEAK_INT8: int8_avxvnni(rounds, sink); return sequences * 32;
    case PG_ISA_AVX512 * 4 + PG_PEAK_F32: f32_avx512(rounds, sink); return sequences * 16;
    case PG_ISA_AVX512 * 4 + PG_PEAK_INT4:
    case PG_ISA_AVX512 * 4 + PG_PEAK_INT8: int8_avx512(rounds, sink); return sequences * 64;
    default: return 0;
    }
}
#else
int64_t pg_peak_run(int32_t isa, int32_t peak, int64_t rounds, int32_t *sink) {
    (void)isa, (void)peak, (void)rounds, (void)sink;
    return 0;
}
#endif

uint64_t pg_peak_read(const uint8_t *bytes, int64_t size) {
    typedef uint64_t words __attribute__((vector_size(32)));
    words sums[4] = {{0}, {0}, {0}, {0}};
    for (int64_t at = 0; at + 128 <= size; at += 128)
        for (int i = 0; i < 4; i++) {
            words value;
            memcpy(&value, bytes + at + i * 32, 32);
            sums[i] += value;
        }
    const words total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return total[0] + total[1] + total[2] + total[3];
}
