// Quantised checkpoints → panels: integers out of their words, then codes, scales and zero points → groups.

#include "pg_codes.h"

#include <math.h>
#include <string.h>

#include "pack_sources.h"

/// A group of 32 columns of one row: weight = code × scale[half] + minimum[half], before it is packed.
struct coded_group {
    int8_t codes[PG_GROUP];
    float scale[2];
    float minimum[2];
};

/// Where value j of a word stands in it, as AWQ interleaves them.
static const uint8_t awq_place[8] = {0, 4, 1, 5, 2, 6, 3, 7};

static inline uint32_t word_at(const struct pg_integers *integers, size_t word) {
    uint32_t value;
    memcpy(&value, integers->words + word * 4, 4);
    return value;
}

/// A row that is a stream: word by word.
static void read_stream(const struct pg_integers *integers, int32_t row, int32_t columns, uint8_t *restrict out) {
    const int32_t bits = integers->bits;
    const uint32_t mask = (1u << bits) - 1;
    size_t word = (size_t)row * integers->stream_step;
    uint64_t held = 0;
    int32_t held_bits = 0;
    for (int32_t column = 0; column < columns; column++) {
        if (held_bits < bits) {
            held |= (uint64_t)word_at(integers, word) << held_bits;
            held_bits += 32;
            word += integers->word_step;
        }
        out[column] = (uint8_t)(held & mask);
        held >>= bits, held_bits -= bits;
    }
}

/// A row across the streams: the same bits of each.
static void read_across(const struct pg_integers *integers, int32_t row, int32_t columns, uint8_t *restrict out) {
    const int32_t bits = integers->bits;
    const uint32_t mask = (1u << bits) - 1;
    const size_t place = integers->is_interleaved ? (size_t)(row / 8 * 8 + awq_place[row % 8]) : (size_t)row;
    const size_t bit = place * (size_t)bits, word = bit / 32 * integers->word_step;
    const int32_t shift = (int32_t)(bit % 32);
    const int straddles = shift + bits > 32;
    for (int32_t column = 0; column < columns; column++) {
        const size_t first = word + (size_t)column * integers->stream_step;
        uint32_t value = word_at(integers, first) >> shift;
        if (straddles)
            value |= word_at(integers, first + integers->word_step) << (32 - shift);
        out[column] = (uint8_t)(value & mask);
    }
}

void pg_read_integers(const struct pg_integers *integers, int32_t row, int32_t columns, uint8_t *restrict out) {
    if (integers->streams_are_rows)
        read_stream(integers, row, columns, out);
    else
        read_across(integers, row, columns, out);
    if (integers->is_signed)
        for (int32_t column = 0; column < columns; column++)
            out[column] ^= 0x80;
}

int32_t pg_exceeds_8bit(const struct pg_code_row *row, int32_t columns, uint8_t *restrict scratch) {
    pg_read_integers(row->codes, row->row, columns, scratch);
    int exceeds = 0;
    for (int32_t column = 0; column < columns; column++) {
        const int value = scratch[column] - row->zeros[row->groups[column]];
        exceeds |= value < -127 || value > 127;
    }
    return exceeds;
}

void pg_decode_code_row(
    const struct pg_code_row *row, int32_t columns, uint8_t *restrict scratch, float *restrict out
) {
    pg_read_integers(row->codes, row->row, columns, scratch);
    for (int32_t column = 0; column < columns; column++) {
        const int32_t group = row->groups[column];
        out[column] = row->scales[group] * (float)(scratch[column] - row->zeros[group]);
    }
}

/// Puts group `index` of `count` of a row in its place. Forms of 4, 6 or 8 bits.
static void put_group(
    int32_t form, const struct coded_group *coded, int row, int32_t index, int32_t count, uint8_t *restrict panel
) {
    struct group group;
    const uint8_t *codes = (const uint8_t *)coded->codes;
    if (bits_of(form) == 8)
        memcpy(group.words, codes, PG_GROUP);
    else
        set_low_bits(&group, codes, 0);
    if (bits_of(form) == 6)
        set_two_bits(group.words + 4, codes, 4);
    for (int half = 0; half < 2; half++) {
        group.scale[half] = pg_float_to_half(coded->scale[half]);
        group.minimum[half] = pg_float_to_half(coded->minimum[half]);
    }
    place_group(form, &group, row, index, count, panel);
}

/// Values −256…255 of a part of a group as codes −127…127, and by how much they are moved.
static int move_into_8bit(const int *values, int count, int has_minimum, int8_t *codes) {
    int least = values[0], greatest = values[0];
    for (int i = 1; i < count; i++) {
        least = values[i] < least ? values[i] : least;
        greatest = values[i] > greatest ? values[i] : greatest;
    }
    const int shift = !has_minimum ? 0 : least < -127 ? least + 127 : greatest > 127 ? greatest - 127 : 0;
    for (int i = 0; i < count; i++) {
        const int code = values[i] - shift;
        codes[i] = (int8_t)(code < -127 ? -127 : code > 127 ? 127 : code);
    }
    return shift;
}

/// Group `first / 32` of a row whose integers have been read into `integers`.
static void make_group(
    int32_t form, const struct pg_code_row *row, const uint8_t *integers, const int32_t *order, int32_t first,
    struct coded_group *group
) {
    const int halves = halves_of(form);
    const int width = PG_GROUP / halves;
    for (int half = 0; half < halves; half++) {
        const int32_t start = first + half * width;
        const int32_t source = row->groups[order ? order[start] : start];
        const int zero = row->zeros[source];
        const float scale = row->scales[source];
        int8_t *codes = group->codes + half * width;
        int values[PG_GROUP];
        for (int i = 0; i < width; i++)
            values[i] = integers[order ? order[start + i] : start + i] - zero;
        int shift = 0;
        if (bits_of(form) == 8) {
            shift = move_into_8bit(values, width, has_minima(form), codes);
        } else {
            shift = has_minima(form) ? -zero : -zero_of(form);
            for (int i = 0; i < width; i++)
                codes[i] = (int8_t)(values[i] - shift);
        }
        group->scale[half] = scale;
        group->minimum[half] = scale * (float)shift;
    }
}

void pg_pack_code_panel(
    int32_t form, const struct pg_code_row rows[PG_PANEL_ROWS], const int32_t *order, int32_t columns,
    uint8_t *restrict scratch, uint8_t *restrict panel
) {
    static const struct coded_group zero;
    const int32_t count = columns / PG_GROUP;
    for (int row = 0; row < PG_PANEL_ROWS; row++) {
        if (rows[row].codes)
            pg_read_integers(rows[row].codes, rows[row].row, columns, scratch);
        for (int32_t index = 0; index < count; index++) {
            struct coded_group group = zero;
            if (rows[row].codes)
                make_group(form, &rows[row], scratch, order, index * PG_GROUP, &group);
            put_group(form, &group, row, index, count, panel);
        }
    }
}

/// `value` as fp16 keeps it, which the codes are then chosen for.
static inline float as_half(float value) {
    return pg_half_to_float(pg_float_to_half(value));
}

static inline int nearest(float value, int least, int greatest) {
    // A NaN takes neither bound by comparison; it becomes the least.
    const float limited = value > (float)greatest ? (float)greatest : value > (float)least ? value : (float)least;
    return (int)lrintf(limited);
}

static void quantize_to_8bit(const float *values, struct coded_group *group) {
    float greatest = 0;
    for (int i = 0; i < PG_GROUP; i++)
        greatest = fmaxf(greatest, fabsf(values[i]));
    const float scale = as_half(greatest / 127), inverse = scale > 0 ? 1 / scale : 0;
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)nearest(values[i] * inverse, -127, 127);
    group->scale[0] = group->scale[1] = scale;
}

static void quantize_to_4bit(const float *values, struct coded_group *group) {
    float least = values[0], greatest = values[0];
    for (int i = 1; i < PG_GROUP; i++) {
        least = fminf(least, values[i]);
        greatest = fmaxf(greatest, values[i]);
    }
    const float minimum = as_half(least), scale = as_half((greatest - least) / 15);
    const float inverse = scale > 0 ? 1 / scale : 0;
    for (int i = 0; i < PG_GROUP; i++)
        group->codes[i] = (int8_t)nearest((values[i] - minimum) * inverse, 0, 15);
    group->scale[0] = group->scale[1] = scale;
    group->minimum[0] = group->minimum[1] = minimum;
}

void pg_quantize_panel(
    int32_t form, const float *const rows[PG_PANEL_ROWS], int32_t columns, uint8_t *restrict panel
) {
    static const struct coded_group zero;
    const int32_t count = columns / PG_GROUP;
    for (int row = 0; row < PG_PANEL_ROWS; row++)
        for (int32_t index = 0; index < count; index++) {
            struct coded_group group = zero;
            if (rows[row] && form == PG_FORM_Q8_G32)
                quantize_to_8bit(rows[row] + (size_t)index * PG_GROUP, &group);
            else if (rows[row])
                quantize_to_4bit(rows[row] + (size_t)index * PG_GROUP, &group);
            put_group(form, &group, row, index, count, panel);
        }
}
