// Matrix products with AVX-VNNI (256 bits): 32 products an instruction, a vector is half a panel's rows.
#if defined(__x86_64__)

#define PG_NAME(name) name##_avxvnni
#ifdef PG_AVXVNNI_AS_AVX512 // for tests on CPUs that have the instruction in AVX-512's encoding only
#define PG_X86_TARGET "avx2,fma,f16c,avx512vl,avx512vnni"
#define PG_DOT _mm256_dpbusd_epi32
#else
#define PG_X86_TARGET "avx2,fma,f16c,avxvnni"
#define PG_DOT _mm256_dpbusd_avx_epi32
#endif
#include "avx2.h"
#include "pg_matmul.h"

#define PG_FLOAT_TOKENS 3
#define PG_LANES 8
#define PG_TILES X(4) X(1)
#define PG_MOST_TOKENS 4
#include "vectors256.h"

/// Four products of unsigned and signed bytes a lane.
PG_INLINE ivec dot(ivec sums, ivec unsigned_codes, ivec signed_codes) {
    return (ivec)PG_DOT((__m256i)sums, (__m256i)unsigned_codes, (__m256i)signed_codes);
}

#include "matmul_vnni.h"

#include "matmul_integer.h"

#pragma clang attribute pop
#endif
