// Checks every variant of the kernels that this CPU can run: kernel-test FIXTURES [VARIANT-THAT-MUST-BE-THE-BEST].
//
// Against fp64 computed here, against the portable variant bit for bit, and, by the digest at the end, against other
// machines. FIXTURES is the folder of golden files of the checkpoint formats.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define FAILURES_SHOWN 3

static struct {
    char name[128];
    long passed, failed;
} group;
static long passed, failed;
static uint64_t digest_state = 0xcbf29ce484222325;

void begin_group(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(group.name, sizeof group.name, format, arguments);
    va_end(arguments);
    group.passed = group.failed = 0;
}

void end_group(void) {
    printf("%s %-48s %ld checks", group.failed ? "FAIL" : "ok  ", group.name, group.passed + group.failed);
    if (group.failed)
        printf(", %ld failed", group.failed);
    printf("\n");
    fflush(stdout);
    passed += group.passed;
    failed += group.failed;
}

static void fail(const char *reason, const char *format, va_list arguments) {
    if (group.failed++ >= FAILURES_SHOWN)
        return;
    printf("     %s: ", group.name);
    vprintf(format, arguments);
    printf("%s\n", reason);
}

int check(int holds, const char *format, ...) {
    if (holds) {
        group.passed++;
        return 1;
    }
    va_list arguments;
    va_start(arguments, format);
    fail("", format, arguments);
    va_end(arguments);
    return 0;
}

int check_bytes(const void *actual, const void *expected, size_t bytes, const char *format, ...) {
    if (memcmp(actual, expected, bytes) == 0) {
        group.passed++;
        return 1;
    }
    const uint8_t *a = actual, *b = expected;
    size_t at = 0;
    while (a[at] == b[at])
        at++;
    char reason[64];
    snprintf(reason, sizeof reason, ": byte %zu of %zu differs", at, bytes);
    va_list arguments;
    va_start(arguments, format);
    fail(reason, format, arguments);
    va_end(arguments);
    return 0;
}

void digest(const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++)
        digest_state = (digest_state ^ at[i]) * 0x100000001b3;
}

struct random random_from(uint64_t seed) {
    return (struct random){(seed + 1) * 0x9e3779b97f4a7c15};
}

uint32_t random_bits(struct random *random) {
    uint64_t x = random->state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    random->state = x;
    return (uint32_t)((x * 0x2545f4914f6cdd1d) >> 32);
}

int32_t random_below(struct random *random, int32_t bound) {
    return (int32_t)(((uint64_t)random_bits(random) * (uint32_t)bound) >> 32);
}

float random_float(struct random *random) {
    return (float)((int32_t)(random_bits(random) >> 8) - (1 << 23)) * 0x1p-23f;
}

void random_floats(struct random *random, float *out, size_t count, float factor) {
    for (size_t i = 0; i < count; i++)
        out[i] = random_float(random) * factor;
}

void *allocate(size_t bytes) {
    void *memory = calloc(1, bytes > 0 ? bytes : 1);
    if (!memory) {
        fprintf(stderr, "kernel-test: no memory\n");
        exit(2);
    }
    return memory;
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: kernel-test FIXTURES [VARIANT]\n");
        return 2;
    }
    int variant_count;
    const struct variant *all = variants(&variant_count);
    printf("variants:");
    for (int v = 0; v < variant_count; v++)
        printf(" %s", all[v].name);
    printf("\n");
    begin_group("variants");
    for (int v = 1; v < variant_count; v++)
        check(all[v].kernels.matmul != all[0].kernels.matmul, "%s is the portable variant", all[v].name);
    if (count > 2)
        check(strcmp(all[variant_count - 1].name, arguments[2]) == 0, "the best is not %s", arguments[2]);
    end_group();
    check_formats(arguments[1]);
    check_matmul();
    check_rows();
    check_vector();
    check_attention();
    check_pool();
    printf("digest %016llx\n%ld passed, %ld failed\n", (unsigned long long)digest_state, passed, failed);
    return failed > 0;
}
