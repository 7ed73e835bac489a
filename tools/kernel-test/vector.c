// Passes over a row of logits.

#include <math.h>
#include <string.h>

#include "check.h"

#define MOST 1003

static const int32_t sizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, MOST};
#define SIZE_COUNT (sizeof sizes / sizeof sizes[0])

/// Values with ties, infinities and, for `kind` 3, a NaN.
static void make_values(struct random *random, int kind, int32_t size, float *out) {
    random_floats(random, out, (size_t)size, kind == 2 ? 1e4f : 12);
    for (int32_t i = 0; kind == 1 && i < size; i++)
        out[i] = (float)random_below(random, 5) - 3; // many equal ones, zeros among them
    for (int32_t i = 0; kind >= 2 && i < size; i += 3)
        out[i] = -INFINITY;
    if (kind == 3)
        out[random_below(random, size)] = NAN;
    if (kind == 4)
        for (int32_t i = 0; i < size; i++)
            out[i] = -INFINITY;
}

static void check_argmax(const struct variant *variant, int kind, const float *values, int32_t size) {
    struct pg_extreme expected = {-INFINITY, 0, 0};
    for (int32_t i = 0; i < size; i++) {
        expected.is_nan |= values[i] != values[i];
        if (values[i] > expected.value) {
            expected.value = values[i];
            expected.index = i;
        }
    }
    const struct pg_extreme actual = variant->kernels.argmax(values, size);
    check(actual.value == expected.value && actual.index == expected.index && !actual.is_nan == !expected.is_nan,
          "%s: argmax of %d, kind %d: %g at %d", variant->name, size, kind, actual.value, actual.index);
}

static void check_maxima(const struct variant *variant, int kind, const float *values, int32_t size) {
    for (int32_t block = 8; block <= 64; block *= 2) {
        float maxima[MOST];
        variant->kernels.block_maxima(values, size, block, maxima);
        for (int32_t start = 0; start < size; start += block) {
            float expected = -INFINITY;
            for (int32_t i = start; i < size && i < start + block; i++)
                expected = values[i] > expected ? values[i] : expected;
            check(maxima[start / block] == expected, "%s: maximum of block at %d of %d, kind %d", variant->name, start,
                  size, kind);
        }
    }
}

static void check_selection(const struct variant *variant, int kind, const float *values, int32_t size) {
    static const float thresholds[] = {-3, 0, 1, 11, INFINITY, -INFINITY};
    for (int t = 0; t < 6; t++) {
        for (int32_t capacity = 0; capacity <= MOST; capacity = capacity * 3 + 5) {
            int32_t indices[MOST + 1], expected_indices[MOST + 1], total = 0;
            float collected[MOST + 1], expected[MOST + 1];
            memset(indices, 0x55, sizeof indices);
            memset(collected, 0x55, sizeof collected);
            memcpy(expected_indices, indices, sizeof indices);
            memcpy(expected, collected, sizeof collected);
            for (int32_t i = 0; i < size; i++) {
                if (!(values[i] >= thresholds[t]))
                    continue;
                if (total < capacity) {
                    expected_indices[total] = i;
                    expected[total] = values[i];
                }
                total++;
            }
            const int32_t wanted = total < capacity ? total : capacity;
            check(variant->kernels.count(values, size, thresholds[t]) == total, "%s: count of %d", variant->name, size);
            const int32_t written =
                variant->kernels.collect(values, size, thresholds[t], capacity, indices, collected);
            check(written == wanted && memcmp(indices, expected_indices, sizeof indices) == 0
                      && memcmp(collected, expected, sizeof collected) == 0,
                  "%s: %d of %d collected, kind %d", variant->name, written, size, kind);
        }
    }
}

static void check_exponentials(const struct variant *all, int count, const float *values, int32_t size) {
    float highest = -INFINITY;
    for (int32_t i = 0; i < size; i++)
        highest = values[i] > highest ? values[i] : highest;
    static const float scales[] = {1, 0.5f, 1.7f, 10};
    for (int s = 0; s < 4; s++) {
        float expected[MOST], out[MOST + 1];
        pg_exp_portable(values, size, highest, scales[s], expected);
        const float expected_sum = pg_exp_sum_portable(values, size, highest, scales[s]);
        digest(expected, sizeof(float) * size);
        digest(&expected_sum, sizeof expected_sum);
        double sum = 0;
        for (int32_t i = 0; i < size; i++) {
            // The argument as fp32 has it: its rounding is not the exponential's.
            const float argument = (values[i] - highest) * scales[s];
            const double value = exp((double)argument);
            sum += value;
            check(fabs(expected[i] - value) <= 3e-7 * value + 2e-38, "exp of %g: %g", argument, expected[i]);
        }
        check(fabs(expected_sum - sum) <= 1e-5 * sum, "sum of %d: %g, not %g", size, expected_sum, sum);
        for (int v = 0; v < count; v++) {
            memset(out, 0x55, sizeof out);
            all[v].kernels.exp(values, size, highest, scales[s], out);
            check_bytes(out, expected, sizeof(float) * size, "%s: exp of %d", all[v].name, size);
            uint32_t guard;
            memcpy(&guard, &out[size], 4);
            check(guard == 0x55555555, "%s: exp writes behind its end", all[v].name);
            const float actual = all[v].kernels.exp_sum(values, size, highest, scales[s]);
            check_bytes(&actual, &expected_sum, sizeof actual, "%s: sum of %d", all[v].name, size);
        }
    }
}

static void check_softcap(const struct variant *all, int count, const float *values, int32_t size) {
    static const float caps[] = {30, 2.5f};
    for (int c = 0; c < 2; c++) {
        float expected[MOST + 1], out[MOST + 1];
        memcpy(expected, values, sizeof(float) * size);
        pg_softcap_portable(expected, size, caps[c]);
        digest(expected, sizeof(float) * size);
        for (int32_t i = 0; i < size; i++) {
            const double value = caps[c] * tanh((double)values[i] / caps[c]);
            check(isnan(values[i]) ? isnan(expected[i]) : fabs(expected[i] - value) <= 3e-7 * caps[c],
                  "cap of %g: %g, not %g", values[i], expected[i], value);
        }
        for (int v = 0; v < count; v++) {
            memset(out, 0x55, sizeof out);
            memcpy(out, values, sizeof(float) * size);
            all[v].kernels.softcap(out, size, caps[c]);
            check_bytes(out, expected, sizeof(float) * size, "%s: cap of %d", all[v].name, size);
            uint32_t guard;
            memcpy(&guard, &out[size], 4);
            check(guard == 0x55555555, "%s: the cap writes behind its end", all[v].name);
        }
    }
}

void check_vector(void) {
    int count;
    const struct variant *all = variants(&count);
    struct random random = random_from(300);
    float values[MOST];
    begin_group("vector: argmax, maxima, count, collect");
    for (int kind = 0; kind < 5; kind++) {
        for (size_t i = 0; i < SIZE_COUNT; i++) {
            make_values(&random, kind, sizes[i], values);
            for (int v = 0; v < count; v++) {
                check_argmax(&all[v], kind, values, sizes[i]);
                if (kind != 3)
                    check_maxima(&all[v], kind, values, sizes[i]);
                check_selection(&all[v], kind, values, sizes[i]);
            }
        }
    }
    end_group();
    begin_group("vector: exponentials");
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < SIZE_COUNT; i++) {
            make_values(&random, kind, sizes[i], values);
            if (kind == 2)
                values[sizes[i] / 2] = 50; // not all of them −inf
            check_exponentials(all, count, values, sizes[i]);
        }
    }
    end_group();
    begin_group("vector: soft cap");
    for (int kind = 0; kind < 5; kind++) {
        for (size_t i = 0; i < SIZE_COUNT; i++) {
            make_values(&random, kind, sizes[i], values);
            check_softcap(all, count, values, sizes[i]);
        }
    }
    end_group();
}
