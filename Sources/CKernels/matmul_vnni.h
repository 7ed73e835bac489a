// The integer products of VNNI, at any vector width. The instruction wants unsigned weights: signed ones get 128 added
// (their highest bit flipped), and what that adds to a sum is in where the sum starts.

#define PG_CODE_FLIP ((int32_t)0x80808080)

PG_INLINE ivec add_products(ivec sums, int half, const ivec vectors[8], const int8_t *codes) {
    for (int v = half == 1 ? 4 : 0; v < (half == 0 ? 4 : 8); v++)
        sums = dot(sums, vectors[v], broadcast_four(codes + v * 4));
    return sums;
}
