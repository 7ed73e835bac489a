// Rows of weights in the layouts of checkpoints, made to test with.

#include "sources.h"

#include <string.h>

#include "half.h"

/// A format's block: its weights and bytes, and where its fp16 scale (and minimum, or −1) is.
struct layout {
    int32_t weights, bytes, scale, minimum;
    pg_dequantize_function *decode;
};

static struct layout layout_of(int32_t source) {
    switch (source) {
    case PG_SOURCE_F32: return (struct layout){1, 4, -1, -1, pg_dequantize_f32};
    case PG_SOURCE_F16: return (struct layout){1, 2, -1, -1, pg_dequantize_f16};
    case PG_SOURCE_BF16: return (struct layout){1, 2, -1, -1, pg_dequantize_bf16};
    case PG_SOURCE_Q4_0: return (struct layout){32, 18, 0, -1, pg_dequantize_q4_0};
    case PG_SOURCE_Q4_1: return (struct layout){32, 20, 0, 2, pg_dequantize_q4_1};
    case PG_SOURCE_Q5_0: return (struct layout){32, 22, 0, -1, pg_dequantize_q5_0};
    case PG_SOURCE_Q5_1: return (struct layout){32, 24, 0, 2, pg_dequantize_q5_1};
    case PG_SOURCE_Q8_0: return (struct layout){32, 34, 0, -1, pg_dequantize_q8_0};
    case PG_SOURCE_Q2_K: return (struct layout){256, 84, 80, 82, pg_dequantize_q2_k};
    case PG_SOURCE_Q3_K: return (struct layout){256, 110, 108, -1, pg_dequantize_q3_k};
    case PG_SOURCE_Q4_K: return (struct layout){256, 144, 0, 2, pg_dequantize_q4_k};
    case PG_SOURCE_Q5_K: return (struct layout){256, 176, 0, 2, pg_dequantize_q5_k};
    default: return (struct layout){256, 210, 208, -1, pg_dequantize_q6_k};
    }
}

size_t source_bytes(int32_t source, int32_t columns) {
    const struct layout layout = layout_of(source);
    return (size_t)(columns / layout.weights) * layout.bytes;
}

void decode_source(int32_t source, const uint8_t *blocks, float *out, int32_t columns) {
    layout_of(source).decode(blocks, out, (size_t)columns);
}

static void put_half(uint8_t *at, uint16_t half) {
    memcpy(at, &half, 2);
}

static uint16_t random_scale(struct random *random) {
    const uint32_t bits = random_bits(random);
    const uint16_t sign = bits & 0x8000, fraction = bits & 0x3ff;
    if (bits >> 26 == 0)
        return sign | (bits & 1u << 25 ? fraction : 0);
    return sign | (uint16_t)((9 + (bits >> 16) % 4) << 10) | fraction;
}

void fill_random(int32_t source, int32_t columns, uint8_t *blocks, struct random *random) {
    const struct layout layout = layout_of(source);
    for (int32_t first = 0; first < columns; first += layout.weights, blocks += layout.bytes) {
        const float value = random_float(random);
        if (source == PG_SOURCE_F32) {
            memcpy(blocks, &value, 4);
        } else if (source == PG_SOURCE_F16) {
            put_half(blocks, pg_float_to_half(value));
        } else if (source == PG_SOURCE_BF16) {
            put_half(blocks, (uint16_t)(pg_bits_from_float(value) >> 16));
        } else {
            for (int32_t i = 0; i < layout.bytes; i++)
                blocks[i] = (uint8_t)random_bits(random);
            put_half(blocks + layout.scale, random_scale(random));
            if (layout.minimum >= 0)
                put_half(blocks + layout.minimum, random_scale(random));
        }
    }
}

static void fill_codes(int32_t source, int32_t columns, uint8_t *blocks, uint8_t even, uint8_t odd) {
    const struct layout layout = layout_of(source);
    for (int32_t first = 0; first < columns; first += layout.weights, blocks += layout.bytes) {
        for (int32_t i = 0; i < layout.bytes; i++)
            blocks[i] = i % 2 ? odd : even;
        put_half(blocks + layout.scale, 0x3c00);
        if (layout.minimum >= 0)
            put_half(blocks + layout.minimum, 0x3c00);
    }
}

// Codes of Q8_0 are signed: its extremes are 127 and −127.

void fill_highest(int32_t source, int32_t columns, uint8_t *blocks, struct random *random) {
    (void)random;
    const uint8_t code = source == PG_SOURCE_Q8_0 ? 127 : 255;
    fill_codes(source, columns, blocks, code, code);
}

void fill_lowest(int32_t source, int32_t columns, uint8_t *blocks, struct random *random) {
    (void)random;
    const uint8_t code = source == PG_SOURCE_Q8_0 ? 0x81 : 0;
    fill_codes(source, columns, blocks, code, code);
}

void fill_alternating(int32_t source, int32_t columns, uint8_t *blocks, struct random *random) {
    (void)random;
    fill_codes(source, columns, blocks, source == PG_SOURCE_Q8_0 ? 127 : 255, source == PG_SOURCE_Q8_0 ? 0x81 : 0);
}
