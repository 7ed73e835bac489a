#include "cplatform.h"

#include <limits.h>
#include <zlib.h>

// Of a member's header and trailer.
enum { GZIP_FRAME_BYTES = 18 };

size_t pg_gzip_capacity(size_t length) {
    return compressBound(length) + GZIP_FRAME_BYTES;
}

size_t pg_gzip(const uint8_t *source, size_t length, uint8_t *target, size_t capacity) {
    if (length > UINT_MAX || capacity > UINT_MAX)
        return 0;
    z_stream stream = {0};
    // 16 asks for gzip's frame instead of zlib's. Level 1: a scrape is repetitive, and must be cheap.
    if (deflateInit2(&stream, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    stream.next_in = (Bytef *)source;
    stream.avail_in = (uInt)length;
    stream.next_out = target;
    stream.avail_out = (uInt)capacity;
    const int result = deflate(&stream, Z_FINISH);
    const size_t written = stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END ? written : 0;
}
