// Products: every form, panels that are not full, all tile sizes, parts of the output, the largest codes.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "half.h"
#include "sources.h"

#define TOKENS 33
#define GUARD 0x7f // bytes of an output that nothing may write
#define GUARD_COLUMNS 3

/// A matrix, a batch of activations and the portable variant's product.
struct product {
    struct pg_matrix matrix;
    struct pg_activations activations;
    double *weights;   // [rows, columns]
    double *inputs;    // [TOKENS, columns]: what the activations' codes stand for
    float *reference;  // [TOKENS, rows]
    size_t out_stride; // of a variant's output
};

static void *allocate_aligned(size_t bytes) {
    const size_t rounded = (bytes + 63) / 64 * 64;
    void *memory = aligned_alloc(64, rounded > 0 ? rounded : 64);
    if (!memory) {
        fprintf(stderr, "kernel-test: no memory\n");
        exit(2);
    }
    memset(memory, 0, rounded);
    return memory;
}

/// Packs rows of a source, `fill` having written their blocks.
static void pack(
    struct product *product, int32_t source, int32_t rows, int32_t columns, fill_function *fill,
    struct random *random
) {
    const int32_t form = pg_form_of_source(source);
    const int32_t panel_count = (rows + PG_PANEL_ROWS - 1) / PG_PANEL_ROWS;
    const size_t panel_bytes = pg_panel_bytes(form, columns);
    uint8_t *panels = allocate_aligned(panel_bytes * (size_t)panel_count);
    product->weights = allocate(sizeof(double) * (size_t)rows * columns);
    float *unpacked = allocate(sizeof(float) * columns), *decoded = allocate(sizeof(float) * columns);
    for (int32_t panel = 0; panel < panel_count; panel++) {
        uint8_t *blocks[PG_PANEL_ROWS] = {0};
        const uint8_t *const_blocks[PG_PANEL_ROWS] = {0};
        for (int32_t i = 0; i < PG_PANEL_ROWS && panel * PG_PANEL_ROWS + i < rows; i++) {
            blocks[i] = allocate(source_bytes(source, columns));
            fill(source, columns, blocks[i], random);
            const_blocks[i] = blocks[i];
        }
        uint8_t *at = panels + panel_bytes * (size_t)panel;
        pg_pack_panel(source, const_blocks, columns, at);
        for (int32_t i = 0; i < PG_PANEL_ROWS && blocks[i]; i++) {
            pg_unpack_row(form, at, i, columns, unpacked);
            decode_source(source, blocks[i], decoded, columns);
            double largest = 0;
            for (int32_t c = 0; c < columns; c++)
                largest = fmax(largest, fabs((double)decoded[c]));
            for (int32_t c = 0; c < columns; c++) {
                const double difference = fabs((double)unpacked[c] - (double)decoded[c]);
                // Packed scales are fp16, and the code −128 becomes −127.
                if (!(difference <= largest * 0.01))
                    check(0, "row %d column %d is packed as %g, not %g", i, c, unpacked[c], decoded[c]);
                product->weights[((size_t)panel * PG_PANEL_ROWS + i) * columns + c] = unpacked[c];
            }
            free(blocks[i]);
        }
    }
    digest(panels, panel_bytes * (size_t)panel_count);
    free(unpacked);
    free(decoded);
    product->matrix = (struct pg_matrix){panels, form, rows, columns};
}

/// Packs codes of 8 bits with scales and zero points, for the forms that no block format has.
static void pack_codes(
    struct product *product, int32_t form, int32_t rows, int32_t columns, int is_extreme, struct random *random
) {
    const int32_t width = form == PG_FORM_Q8M_G16 ? 16 : 32, panel_count = (rows + PG_PANEL_ROWS - 1) / PG_PANEL_ROWS;
    const size_t panel_bytes = pg_panel_bytes(form, columns);
    uint8_t *panels = allocate_aligned(panel_bytes * (size_t)panel_count);
    uint8_t *codes = allocate((size_t)rows * columns), *scratch = allocate(columns);
    int32_t *groups = allocate(sizeof(int32_t) * columns);
    float *scales = allocate(sizeof(float) * columns), *decoded = allocate(sizeof(float) * columns);
    float *unpacked = allocate(sizeof(float) * columns);
    int16_t *zeros = allocate(sizeof(int16_t) * columns);
    for (size_t i = 0; i < (size_t)rows * columns; i++)
        codes[i] = is_extreme ? (random_bits(random) & 1 ? 255 : 0) : (uint8_t)random_bits(random);
    for (int32_t c = 0; c < columns; c++) {
        groups[c] = c / width;
        scales[c] = is_extreme ? 1 : random_float(random) / 64;
        zeros[c] = (int16_t)(is_extreme ? c % 3 * 128 : random_below(random, 257));
    }
    const struct pg_integers integers = {
        .words = codes, .bits = 8, .streams_are_rows = 1, .word_step = 1, .stream_step = (size_t)columns / 4};
    product->weights = allocate(sizeof(double) * (size_t)rows * columns);
    for (int32_t panel = 0; panel < panel_count; panel++) {
        struct pg_code_row code_rows[PG_PANEL_ROWS] = {0};
        const int32_t first = panel * PG_PANEL_ROWS;
        const int32_t count = rows - first < PG_PANEL_ROWS ? rows - first : PG_PANEL_ROWS;
        for (int32_t i = 0; i < count; i++)
            code_rows[i] = (struct pg_code_row){&integers, first + i, groups, scales, zeros};
        uint8_t *at = panels + panel_bytes * (size_t)panel;
        pg_pack_code_panel(form, code_rows, NULL, columns, scratch, at);
        for (int32_t i = 0; i < count; i++) {
            pg_unpack_row(form, at, i, columns, unpacked);
            pg_decode_code_row(&code_rows[i], columns, scratch, decoded);
            for (int32_t c = 0; c < columns; c++) {
                // Scales and minima are fp16, and of 256 values the last is a step off.
                const double difference = fabs((double)unpacked[c] - (double)decoded[c]);
                if (!(difference <= fabs((double)scales[c / width]) * 1.2 + 1e-6))
                    check(0, "row %d column %d is packed as %g, not %g", first + i, c, unpacked[c], decoded[c]);
                product->weights[(size_t)(first + i) * columns + c] = unpacked[c];
            }
        }
    }
    digest(panels, panel_bytes * (size_t)panel_count);
    void *const all[] = {codes, scratch, groups, scales, decoded, unpacked, zeros};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    product->matrix = (struct pg_matrix){panels, form, rows, columns};
}

/// Quantises `values`, [TOKENS, columns], for integer forms, to 11 bits if `is_fine`; keeps them for float forms.
static void set_inputs(struct product *product, float *values, int32_t columns, int is_fine) {
    product->activations.columns = columns;
    product->activations.values = values;
    product->inputs = allocate(sizeof(double) * TOKENS * (size_t)columns);
    for (size_t i = 0; i < (size_t)TOKENS * columns; i++)
        product->inputs[i] = values[i];
    if (product->matrix.form <= PG_FORM_BF16)
        return;
    const int32_t group_count = columns / PG_GROUP, tile_count = (TOKENS + PG_TOKEN_TILE - 1) / PG_TOKEN_TILE;
    struct pg_activation_group *groups = allocate_aligned(sizeof *groups * (size_t)tile_count * group_count);
    struct pg_fine_group *fine =
        is_fine ? allocate_aligned(sizeof *fine * (size_t)tile_count * group_count) : NULL;
    for (int32_t token = 0; token < TOKENS; token++) {
        const size_t first = (size_t)(token / PG_TOKEN_TILE) * group_count;
        const int32_t place = token % PG_TOKEN_TILE;
        pg_quantize_row_portable(
            values + (size_t)token * columns, columns, groups + first, is_fine ? fine + first : NULL, place);
        for (int32_t c = 0; c < columns; c++) {
            const struct pg_quantized *group = &groups[first + c / PG_GROUP].tokens[place];
            int32_t code = group->codes[c % PG_GROUP];
            if (is_fine)
                code = code * 8 + fine[first + c / PG_GROUP].tokens[place].low[c % PG_GROUP];
            product->inputs[(size_t)token * columns + c] = (double)code * (double)group->scale;
        }
    }
    product->activations.groups = groups;
    product->activations.fine = fine;
}

/// The portable product, checked against fp64; `exact` where every sum is an integer below 2^24.
static void make_reference(struct product *product, int exact) {
    const int32_t rows = product->matrix.rows, columns = product->matrix.columns;
    const int32_t panel_count = (rows + PG_PANEL_ROWS - 1) / PG_PANEL_ROWS;
    product->reference = allocate(sizeof(float) * TOKENS * (size_t)rows);
    product->out_stride = (size_t)rows + GUARD_COLUMNS;
    pg_matmul_portable(
        &product->matrix, 0, panel_count, &product->activations, 0, TOKENS, product->reference, (size_t)rows, 0);
    digest(product->reference, sizeof(float) * TOKENS * (size_t)rows);
    for (int32_t token = 0; token < TOKENS; token++) {
        const double *input = product->inputs + (size_t)token * columns;
        for (int32_t row = 0; row < rows; row++) {
            const double *weight = product->weights + (size_t)row * columns;
            double sum = 0, largest = 0, magnitude = 0;
            for (int32_t c = 0; c < columns; c++) {
                sum += weight[c] * input[c];
                largest = fmax(largest, fabs(weight[c]));
                magnitude += fabs(input[c]);
            }
            // Codes times scale may be larger than weights with a minimum, but not by much.
            const double tolerance = exact ? 0 : 1e-5 * largest * magnitude + 1e-30;
            const double actual = product->reference[(size_t)token * rows + row];
            check(fabs(actual - sum) <= tolerance, "portable: %d × %d, token %d, row %d: %.9g, not %.9g", rows,
                  columns, token, row, actual, sum);
        }
    }
}

/// One call of a variant; every byte of the output is compared, those included that it must leave alone.
static void check_call(
    const struct product *product, const struct variant *variant, int32_t panel_begin, int32_t panel_end,
    int32_t token_begin, int32_t token_end, int accumulate
) {
    const int32_t rows = product->matrix.rows;
    const size_t stride = product->out_stride, bytes = sizeof(float) * stride * TOKENS;
    float *out = allocate_aligned(bytes + 4), *expected = allocate_aligned(bytes + 4);
    memset(out, GUARD, bytes);
    struct random random = random_from(7);
    if (accumulate)
        random_floats(&random, out, stride * TOKENS, 10);
    memcpy(expected, out, bytes);
    const int32_t last_row = panel_end * PG_PANEL_ROWS < rows ? panel_end * PG_PANEL_ROWS : rows;
    for (int32_t token = token_begin; token < token_end; token++) {
        for (int32_t row = panel_begin * PG_PANEL_ROWS; row < last_row; row++) {
            const size_t at = (size_t)token * stride + row;
            const float value = product->reference[(size_t)token * rows + row];
            expected[at] = accumulate ? expected[at] + value : value;
        }
    }
    variant->kernels.matmul(
        &product->matrix, panel_begin, panel_end, &product->activations, token_begin, token_end, out, stride,
        accumulate);
    check_bytes(
        out, expected, bytes, "%s: %d × %d, panels %d…%d, tokens %d…%d, accumulate %d", variant->name, rows,
        product->matrix.columns, panel_begin, panel_end, token_begin, token_end, accumulate);
    free(out);
    free(expected);
}

static void check_calls(const struct product *product) {
    int count;
    const struct variant *all = variants(&count);
    const int32_t panel_count = (product->matrix.rows + PG_PANEL_ROWS - 1) / PG_PANEL_ROWS;
    for (int v = 0; v < count; v++) {
        static const int32_t token_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, TOKENS};
        for (size_t i = 0; i < sizeof token_counts / sizeof token_counts[0]; i++)
            check_call(product, &all[v], 0, panel_count, 0, token_counts[i], (int)(i % 2));
        check_call(product, &all[v], 0, panel_count, 0, TOKENS, 1);
        check_call(product, &all[v], panel_count - 1, panel_count, PG_TOKEN_TILE, TOKENS - 2, 0);
        check_call(product, &all[v], 0, panel_count - 1, PG_TOKEN_TILE, PG_TOKEN_TILE, 0);
        check_call(product, &all[v], panel_count - 1, panel_count, 5, 6, 0);
        check_call(product, &all[v], 0, panel_count, PG_TOKEN_TILE - 3, PG_TOKEN_TILE * 2 + 1, 1);
    }
}

static void free_product(struct product *product) {
    free((void *)product->matrix.panels);
    free((void *)product->activations.values);
    free((void *)product->activations.groups);
    free((void *)product->activations.fine);
    free(product->weights);
    free(product->inputs);
    free(product->reference);
}

/// `exact`: with the largest codes, every sum is an integer below 2^24.
static void check_packed(struct product *product, int is_extreme, int is_fine, int exact, struct random *random) {
    const int32_t columns = product->matrix.columns;
    float *values = allocate(sizeof(float) * TOKENS * (size_t)columns);
    if (is_extreme) {
        // The largest codes at a scale of 1: all alike, alternating, by chance.
        const float largest = is_fine ? PG_LARGEST_FINE_CODE : PG_LARGEST_CODE;
        for (int32_t token = 0; token < TOKENS; token++)
            for (int32_t c = 0; c < columns; c++) {
                const int signs[] = {0, 1, c % 2, c / 4 % 2, (int)(random_bits(random) & 1)};
                values[(size_t)token * columns + c] = signs[token % 5] ? -largest : largest;
            }
    } else {
        for (int32_t token = 0; token < TOKENS; token++)
            random_floats(random, values + (size_t)token * columns, (size_t)columns, 0.01f * (float)(token * token));
    }
    set_inputs(product, values, columns, is_fine);
    make_reference(product, is_extreme && exact);
    check_calls(product);
    free_product(product);
}

static void check_case(
    int32_t source, int32_t rows, int32_t columns, fill_function *fill, int is_extreme, int is_fine,
    struct random *random
) {
    struct product product = {0};
    pack(&product, source, rows, columns, fill, random);
    // The largest sums of Q6_K, and of all blocks of 256 with fine codes, are no integers below 2^24: fp32 rounds them.
    check_packed(&product, is_extreme, is_fine, source < (is_fine ? PG_SOURCE_Q2_K : PG_SOURCE_Q6_K), random);
}

static void check_codes(const char *name, int32_t form) {
    begin_group("matmul: %s of codes with zero points", name);
    struct random random = random_from((uint64_t)form);
    for (int is_fine = 0; is_fine <= 1; is_fine++)
        for (int is_extreme = 0; is_extreme <= 1; is_extreme++)
            for (int32_t columns = 32; columns <= 544; columns += 256) {
                struct product product = {0};
                pack_codes(&product, form, PG_PANEL_ROWS + 3, columns, is_extreme, &random);
                check_packed(&product, is_extreme, is_fine, 0, &random);
            }
    end_group();
}

/// Every finite fp16 number as a weight.
static void check_all_halves(void) {
    begin_group("matmul: every fp16 weight");
    int count;
    const struct variant *all = variants(&count);
    const int32_t rows = 0x7c00 * 2;
    const int32_t panel_count = (rows + PG_PANEL_ROWS - 1) / PG_PANEL_ROWS;
    const size_t panel_bytes = pg_panel_bytes(PG_FORM_F16, 1);
    uint8_t *panels = allocate_aligned(panel_bytes * (size_t)panel_count);
    float *expected = allocate(sizeof(float) * rows), *out = allocate(sizeof(float) * rows);
    for (int32_t row = 0; row < rows; row++) {
        const uint16_t half = (uint16_t)(row < 0x7c00 ? row : row - 0x7c00 + 0x8000);
        memcpy(panels + panel_bytes * (size_t)(row / PG_PANEL_ROWS) + (size_t)(row % PG_PANEL_ROWS) * 2, &half, 2);
        const double fraction = half & 0x3ff;
        const int exponent = half >> 10 & 31;
        const double magnitude = exponent ? ldexp(fraction + 1024, exponent - 25) : ldexp(fraction, -24);
        expected[row] = (float)(half & 0x8000 ? 0 - magnitude : magnitude);
    }
    const float one = 1;
    const struct pg_matrix matrix = {panels, PG_FORM_F16, rows, 1};
    const struct pg_activations activations = {.values = &one, .columns = 1};
    for (int v = 0; v < count; v++) {
        memset(out, GUARD, sizeof(float) * rows);
        all[v].kernels.matmul(&matrix, 0, panel_count, &activations, 0, 1, out, (size_t)rows, 0);
        check_bytes(out, expected, sizeof(float) * rows, "%s", all[v].name);
    }
    free(panels);
    free(expected);
    free(out);
    end_group();
}

void check_matmul(void) {
    static const struct {
        const char *name;
        int32_t form, source, column_counts[3];
    } cases[] = {
        {"F32", PG_FORM_F32, PG_SOURCE_F32, {1, 33, 256}},
        {"F16", PG_FORM_F16, PG_SOURCE_F16, {1, 33, 256}},
        {"BF16", PG_FORM_BF16, PG_SOURCE_BF16, {1, 33, 256}},
        {"Q2_G16 of Q2_K", PG_FORM_Q2_G16, PG_SOURCE_Q2_K, {256, 512, 768}},
        {"Q3Z_G16 of Q3_K", PG_FORM_Q3Z_G16, PG_SOURCE_Q3_K, {256, 512, 768}},
        {"Q4_G32 of Q4_1", PG_FORM_Q4_G32, PG_SOURCE_Q4_1, {32, 96, 512}},
        {"Q4_G32 of Q4_K", PG_FORM_Q4_G32, PG_SOURCE_Q4_K, {256, 512, 768}},
        {"Q4Z_G32 of Q4_0", PG_FORM_Q4Z_G32, PG_SOURCE_Q4_0, {32, 96, 512}},
        {"Q5_G32 of Q5_1", PG_FORM_Q5_G32, PG_SOURCE_Q5_1, {32, 96, 1056}},
        {"Q5_G32 of Q5_K", PG_FORM_Q5_G32, PG_SOURCE_Q5_K, {256, 512, 768}},
        {"Q5Z_G32 of Q5_0", PG_FORM_Q5Z_G32, PG_SOURCE_Q5_0, {32, 96, 512}},
        {"Q6Z_G16 of Q6_K", PG_FORM_Q6Z_G16, PG_SOURCE_Q6_K, {256, 512, 1280}},
        {"Q8_G32 of Q8_0", PG_FORM_Q8_G32, PG_SOURCE_Q8_0, {32, 96, 512}},
    };
    static const int32_t row_counts[] = {1, PG_PANEL_ROWS - 3, PG_PANEL_ROWS, PG_PANEL_ROWS + 1, 2 * PG_PANEL_ROWS + 9};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int is_integer = cases[i].form > PG_FORM_BF16;
        for (int is_fine = 0; is_fine <= is_integer; is_fine++) {
            const char *bits = is_fine ? ", 11 bits" : "";
            begin_group("matmul: %s%s", cases[i].name, bits);
            check(pg_form_of_source(cases[i].source) == cases[i].form, "another form");
            struct random random = random_from(100 + i);
            for (int c = 0; c < 3; c++)
                for (size_t r = 0; r < sizeof row_counts / sizeof row_counts[0]; r++)
                    check_case(
                        cases[i].source, row_counts[r], cases[i].column_counts[c], fill_random, 0, is_fine, &random);
            end_group();
            if (!is_integer)
                continue;
            begin_group("matmul: %s%s, extreme codes", cases[i].name, bits);
            static fill_function *const fills[] = {fill_highest, fill_lowest, fill_alternating};
            for (int fill = 0; fill < 3; fill++)
                check_case(
                    cases[i].source, PG_PANEL_ROWS + 3, cases[i].column_counts[1], fills[fill], 1, is_fine, &random);
            end_group();
        }
    }
    check_codes("Q8M_G32", PG_FORM_Q8M_G32);
    check_codes("Q8M_G16", PG_FORM_Q8M_G16);
    check_all_halves();
}
