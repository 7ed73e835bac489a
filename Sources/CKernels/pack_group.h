// What packing writes at a time: a group of one row.
#ifndef PAGODA_PACK_GROUP_H
#define PAGODA_PACK_GROUP_H

#include <stdint.h>

#include "pg_matmul.h"

/// A group of 32 columns of one row: weight = code × scale[half] + minimum[half].
struct group {
    int8_t codes[PG_GROUP];
    float scale[2];
    float minimum[2];
};

/// Puts group `index` of `count` of row `row` (0…15) in its place in a panel of an integer form.
void pg_put_group(
    int32_t form, const struct group *group, int row, int32_t index, int32_t count, uint8_t *restrict panel);

#endif
