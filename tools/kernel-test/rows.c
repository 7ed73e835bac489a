// Row operations: norm, quantisation, rotation, gate, addition.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define SIZE 896

static void check_norm(void) {
    begin_group("rows: rms norm");
    int count;
    const struct variant *all = variants(&count);
    struct random random = random_from(200);
    static const int32_t sizes[] = {8, 16, 24, 64, 72, SIZE};
    float in[SIZE], weight[SIZE], expected[SIZE], out[SIZE];
    for (size_t i = 0; i < 6 * 4; i++) {
        const int32_t size = sizes[i % 6];
        static const float factors[] = {1, 1e-4f, 300, 0};
        random_floats(&random, in, SIZE, factors[i / 6]);
        random_floats(&random, weight, SIZE, 2);
        pg_rms_norm_portable(in, weight, 1e-6f, size, expected);
        digest(expected, sizeof(float) * size);
        double squares = 0;
        for (int32_t k = 0; k < size; k++)
            squares += (double)in[k] * in[k];
        for (int32_t k = 0; k < size; k++) {
            const double value = in[k] / sqrt(squares / size + 1e-6) * weight[k];
            check(fabs(expected[k] - value) <= 1e-5 * fabs(value), "size %d: %g, not %g", size, expected[k], value);
        }
        for (int v = 0; v < count; v++) {
            all[v].kernels.rms_norm(in, weight, 1e-6f, size, out);
            check_bytes(out, expected, sizeof(float) * size, "%s: size %d", all[v].name, size);
        }
    }
    end_group();
}

/// What a group of a quantised row must satisfy; `fine` is null where it has 8 bits.
static void check_quantized(const float *values, const struct pg_quantized *group, const struct pg_fine_codes *fine) {
    static const int places[] = {0, 2, 1, 3}; // of four columns' fine codes
    const int32_t largest = fine ? PG_LARGEST_FINE_CODE : PG_LARGEST_CODE;
    float top = 0;
    for (int i = 0; i < PG_GROUP; i++)
        top = fmaxf(top, fabsf(values[i]));
    const double scale = group->scale;
    check(fabs(scale * largest - top) <= top * 1e-6 + 1e-41, "scale %g of %g", scale, top);
    int32_t sums[2] = {0, 0};
    for (int i = 0; i < PG_GROUP; i++) {
        const int32_t code = fine ? group->codes[i] * 8 + fine->low[i] : group->codes[i];
        check(!fine || fine->pairs[i / 4 * 4 + places[i % 4]] == code, "the pair's code is not %d", code);
        sums[i / 16] += code;
        // The scale is cut by up to 4e-7 of it.
        const double bound = scale * (0.5 + largest * 5e-7) + largest * 0x1p-127;
        check(abs(code) <= largest && fabs(code * scale - values[i]) <= bound,
              "%g is code %d × %g", values[i], code, scale);
    }
    const int32_t sum = sums[0] + sums[1];
    check(group->sum == (float)scale * (float)sum, "sum");
    check(group->magic_scale == -(double)PG_MAGIC * scale, "the magic scale of %g is %g", scale,
          group->magic_scale);
    check(group->start4 == PG_MAGIC_BITS - 8 * sum, "start of 4 bits");
    check(group->start8 == PG_MAGIC_BITS - 128 * sum, "start of 8 bits");
    check(group->half_sum == (float)scale * (float)sums[0], "sum of the first half");
    for (int half = 0; half < 2; half++)
        check(group->half_start6[half] == PG_MAGIC_BITS - 32 * sums[half], "start of half %d", half);
}

static void check_quantize(int is_fine) {
    begin_group("rows: quantisation to %d bits", is_fine ? 11 : 8);
    int count;
    const struct variant *all = variants(&count);
    struct random random = random_from(201);
    enum { GROUPS = 4, COLUMNS = GROUPS * PG_GROUP };
    const int32_t largest = is_fine ? PG_LARGEST_FINE_CODE : PG_LARGEST_CODE;
    static const float factors[] = {1, 1e-6f, 1e30f, 0, 1e-34f, 1e-37f, 1e-38f, 1e-42f};
    for (size_t i = 0; i < 8 * 8; i++) {
        float values[COLUMNS];
        random_floats(&random, values, COLUMNS, factors[i / 8]);
        if (i % 8 == 1)
            values[random_below(&random, COLUMNS)] *= 100; // one outlier
        if (i % 8 == 2) // ties: half codes at a scale of 1
            for (int32_t k = 0; k < COLUMNS; k++)
                values[k] = k % PG_GROUP ? (float)(random_below(&random, largest * 4 - 1) - largest * 2 + 1) * 0.5f
                                         : (float)largest;
        if (i % 8 == 3)
            memset(values, 0, sizeof(float) * PG_GROUP);
        const int32_t token = (int32_t)(i * 5 % PG_TOKEN_TILE);
        struct pg_activation_group expected[GROUPS], out[GROUPS];
        struct pg_fine_group expected_fine[GROUPS], fine[GROUPS];
        memset(expected, 0x55, sizeof expected);
        memset(expected_fine, 0x55, sizeof expected_fine);
        pg_quantize_row_portable(values, COLUMNS, expected, is_fine ? expected_fine : NULL, token);
        digest(expected, sizeof expected);
        digest(expected_fine, sizeof expected_fine);
        for (int32_t g = 0; g < GROUPS; g++)
            check_quantized(
                values + g * PG_GROUP, &expected[g].tokens[token], is_fine ? &expected_fine[g].tokens[token] : NULL);
        for (int v = 0; v < count; v++) {
            memset(out, 0x55, sizeof out);
            memset(fine, 0x55, sizeof fine);
            all[v].kernels.quantize_row(values, COLUMNS, out, is_fine ? fine : NULL, token);
            check_bytes(out, expected, sizeof out, "%s: row %zu", all[v].name, i);
            check_bytes(fine, expected_fine, sizeof fine, "%s: row %zu, fine codes", all[v].name, i);
        }
    }
    end_group();
}

static void check_rotate(void) {
    begin_group("rows: rotation");
    int count;
    const struct variant *all = variants(&count);
    struct random random = random_from(202);
    static const int32_t shapes[][3] = {{1, 8, 8}, {3, 64, 64}, {2, 80, 32}, {14, 64, 64}, {5, 24, 24}, {2, 128, 8}};
    for (size_t i = 0; i < 6; i++) {
        const int32_t heads = shapes[i][0], size = shapes[i][1], rotary = shapes[i][2];
        float in[SIZE], expected[SIZE], out[SIZE], cosines[64], sines[64];
        random_floats(&random, in, SIZE, 3);
        for (int32_t k = 0; k < rotary / 2; k++) {
            // Points of the unit circle without the mathematical library, whose last bit may differ between machines.
            const float t = random_float(&random);
            cosines[k] = (1 - t * t) / (1 + t * t);
            sines[k] = 2 * t / (1 + t * t);
        }
        memcpy(expected, in, sizeof in);
        pg_rotate_portable(expected, heads, size, rotary, cosines, sines);
        digest(expected, sizeof expected);
        for (int32_t k = 0; k < SIZE; k++) {
            const int32_t head = k / size, place = k % size, pair = place % (rotary / 2);
            double value = in[k];
            if (head < heads && place < rotary) {
                const double first = in[head * size + pair], second = in[head * size + pair + rotary / 2];
                value = place < rotary / 2 ? first * cosines[pair] - second * sines[pair]
                                           : second * cosines[pair] + first * sines[pair];
            }
            check(fabs(expected[k] - value) <= 1e-6, "%d heads of %d: %g, not %g", heads, size, expected[k], value);
        }
        for (int v = 0; v < count; v++) {
            memcpy(out, in, sizeof in);
            all[v].kernels.rotate(out, heads, size, rotary, cosines, sines);
            check_bytes(out, expected, sizeof out, "%s: %d heads of %d", all[v].name, heads, size);
        }
    }
    end_group();
}

static void check_gate_and_add(void) {
    begin_group("rows: gate and addition");
    int count;
    const struct variant *all = variants(&count);
    struct random random = random_from(203);
    static const float factors[] = {1, 10, 200, 1e-5f};
    for (size_t i = 0; i < 4 * 3; i++) {
        static const int32_t sizes[] = {8, 24, SIZE};
        const int32_t size = sizes[i % 3];
        float gate[SIZE], up[SIZE], gated[SIZE], gelu[SIZE], added[SIZE], scaled[SIZE], multiplied[SIZE], out[SIZE];
        random_floats(&random, gate, SIZE, factors[i / 3]);
        random_floats(&random, up, SIZE, 2);
        memcpy(gated, gate, sizeof gate);
        memcpy(gelu, gate, sizeof gate);
        memcpy(added, gate, sizeof gate);
        memcpy(scaled, gate, sizeof gate);
        memcpy(multiplied, gate, sizeof gate);
        pg_gate_silu_portable(gated, up, size);
        pg_gate_gelu_portable(gelu, up, size);
        pg_add_portable(up, size, added);
        pg_add_scaled_portable(up, 0.3f, size, scaled);
        pg_scale_portable(0.3f, size, multiplied);
        digest(gated, sizeof gated);
        digest(gelu, sizeof gelu);
        digest(added, sizeof added);
        digest(scaled, sizeof scaled);
        digest(multiplied, sizeof multiplied);
        for (int32_t k = 0; k < SIZE; k++) {
            const double value = k < size ? gate[k] / (1 + exp(-(double)gate[k])) * up[k] : gate[k];
            check(fabs(gated[k] - value) <= 1e-6 * fabs(value) + 1e-34, "silu of %g: %g, not %g", gate[k], gated[k],
                  value);
            const double x = gate[k], inner = 0.7978845608028654 * (x + 0.044715 * x * x * x);
            const double smooth = k < size ? 0.5 * x * (1 + tanh(inner)) * up[k] : x;
            // Next to −5 the tangent's difference from −1 is all that is left.
            check(fabs(gelu[k] - smooth) <= 3e-6 * fabs(smooth) + 2e-7 * fabs(x), "gelu of %g: %g, not %g", gate[k],
                  gelu[k], smooth);
            check(scaled[k] == (k < size ? fmaf(up[k], 0.3f, gate[k]) : gate[k]), "scaled addition");
            check(multiplied[k] == (k < size ? gate[k] * 0.3f : gate[k]), "scaling");
            check(added[k] == (k < size ? gate[k] + up[k] : gate[k]), "addition");
        }
        for (int v = 0; v < count; v++) {
            memcpy(out, gate, sizeof out);
            all[v].kernels.gate_silu(out, up, size);
            check_bytes(out, gated, sizeof out, "%s: gate, size %d", all[v].name, size);
            memcpy(out, gate, sizeof out);
            all[v].kernels.add(up, size, out);
            check_bytes(out, added, sizeof out, "%s: addition, size %d", all[v].name, size);
            memcpy(out, gate, sizeof out);
            all[v].kernels.gate_gelu(out, up, size);
            check_bytes(out, gelu, sizeof out, "%s: gelu, size %d", all[v].name, size);
            memcpy(out, gate, sizeof out);
            all[v].kernels.add_scaled(up, 0.3f, size, out);
            check_bytes(out, scaled, sizeof out, "%s: scaled addition, size %d", all[v].name, size);
            memcpy(out, gate, sizeof out);
            all[v].kernels.scale(0.3f, size, out);
            check_bytes(out, multiplied, sizeof out, "%s: scaling, size %d", all[v].name, size);
        }
    }
    end_group();
}

void check_rows(void) {
    check_norm();
    check_quantize(0);
    check_quantize(1);
    check_rotate();
    check_gate_and_add();
}
