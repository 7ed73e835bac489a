// What the integer forms of pg_matmul.h have, in one place.
#ifndef PAGODA_FORMS_H
#define PAGODA_FORMS_H

#include <stddef.h>
#include <stdint.h>

#include "pg_matmul.h"

static inline int is_integer_form(int32_t form) {
    return form > PG_FORM_BF16;
}

/// Bits of a code: 2 to 6, or 8.
static inline int bits_of(int32_t form) {
    switch (form) {
    case PG_FORM_Q2_G16: return 2;
    case PG_FORM_Q3Z_G16: return 3;
    case PG_FORM_Q4_G32:
    case PG_FORM_Q4Z_G32: return 4;
    case PG_FORM_Q5_G32:
    case PG_FORM_Q5Z_G32: return 5;
    case PG_FORM_Q6Z_G16: return 6;
    default: return 8;
    }
}

/// The code that stands for 0, in the forms without minima.
static inline int zero_of(int32_t form) {
    switch (form) {
    case PG_FORM_Q3Z_G16: return 4;
    case PG_FORM_Q4Z_G32: return 8;
    case PG_FORM_Q5Z_G32: return 16;
    case PG_FORM_Q6Z_G16: return 32;
    default: return 0;
    }
}

static inline int has_minima(int32_t form) {
    return form == PG_FORM_Q2_G16 || form == PG_FORM_Q4_G32 || form == PG_FORM_Q5_G32 || form == PG_FORM_Q8M_G32 ||
           form == PG_FORM_Q8M_G16;
}

/// How many scales a group of 32 columns has.
static inline int halves_of(int32_t form) {
    switch (form) {
    case PG_FORM_Q2_G16:
    case PG_FORM_Q3Z_G16:
    case PG_FORM_Q6Z_G16:
    case PG_FORM_Q8M_G16: return 2;
    default: return 1;
    }
}

/// Bytes of a group's codes, 16 rows of 32 columns.
static inline size_t code_bytes_of(int32_t form) {
    return (size_t)bits_of(form) * 64;
}

/// Bytes of a group's scales, and of its minima where it has any.
static inline size_t scale_bytes_of(int32_t form) {
    return (size_t)halves_of(form) * PG_PANEL_ROWS * 2;
}

#endif
