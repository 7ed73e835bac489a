// The checkpoint formats against golden files.

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

/// Reads a whole file; null if it can't be read.
static uint8_t *read_file(const char *folder, const char *name, const char *extension, size_t *size) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, extension);
    FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    const size_t capacity = 1 << 20;
    uint8_t *bytes = allocate(capacity);
    *size = fread(bytes, 1, capacity, file);
    fclose(file);
    return bytes;
}

void check_formats(const char *fixtures) {
    static const struct {
        const char *name;
        pg_dequantize_function *decode;
    } formats[] = {
        {"F16", pg_dequantize_f16},   {"BF16", pg_dequantize_bf16}, {"Q4_0", pg_dequantize_q4_0},
        {"Q4_1", pg_dequantize_q4_1}, {"Q5_0", pg_dequantize_q5_0}, {"Q5_1", pg_dequantize_q5_1},
        {"Q8_0", pg_dequantize_q8_0}, {"Q2_K", pg_dequantize_q2_k}, {"Q3_K", pg_dequantize_q3_k},
        {"Q4_K", pg_dequantize_q4_k}, {"Q5_K", pg_dequantize_q5_k}, {"Q6_K", pg_dequantize_q6_k},
    };
    begin_group("checkpoint formats: golden files");
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        size_t block_bytes = 0, float_bytes = 0;
        uint8_t *blocks = read_file(fixtures, formats[i].name, "blocks", &block_bytes);
        uint8_t *floats = read_file(fixtures, formats[i].name, "floats", &float_bytes);
        if (check(blocks && floats && float_bytes > 0, "%s: no golden file in %s", formats[i].name, fixtures)) {
            float *out = allocate(float_bytes);
            formats[i].decode(blocks, out, float_bytes / sizeof(float));
            check_bytes(out, floats, float_bytes, "%s", formats[i].name);
            digest(out, float_bytes);
            free(out);
        }
        free(blocks);
        free(floats);
    }
    end_group();
}
