// The integer products of VNNI, at any vector width. The instruction wants unsigned weights: signed ones get 128 added
// (their highest bit flipped), and what that adds to a sum is in where the sum starts.

PG_INLINE void load_codes(int32_t form, const uint8_t *codes, ivec vectors[8]) {
    const ivec low_halves = broadcast_start(0x0f0f0f0f), highest_bits = broadcast_start((int32_t)0x80808080);
    if (form == PG_FORM_Q4_G32 || form == PG_FORM_Q4Z_G32) {
        for (int v = 0; v < 4; v++) {
            const ivec pair = load_vector(codes + v * 64);
            vectors[v] = pair & low_halves;
            vectors[v + 4] = (pair >> 4) & low_halves;
        }
    } else {
        for (int v = 0; v < 8; v++)
            vectors[v] = load_vector(codes + v * 64) ^ highest_bits;
    }
}

PG_INLINE ivec products(
    int32_t form, int half, const ivec vectors[8], const uint8_t *codes_in_memory,
    const struct pg_activation_group *group, int32_t token
) {
    (void)codes_in_memory;
    const struct pg_quantized *quantized = &group->tokens[token];
    ivec sums = broadcast_start(
        form == PG_FORM_Q4_G32    ? PG_MAGIC_BITS
        : form == PG_FORM_Q4Z_G32 ? quantized->start4
        : half == 2               ? quantized->start8
                                  : quantized->half_start8[half & 1]);
    for (int v = half == 1 ? 4 : 0; v < (half == 0 ? 4 : 8); v++)
        sums = dot(sums, vectors[v], broadcast_four(quantized->codes + v * 4));
    return sums;
}
