// The softmax of a query, and how those of a context's parts become one.

/// A query's running softmax.
struct softmax {
    float highest;
    float sum;
};

/// Joins a part to what was merged before it: out and softmax of a query.
PG_INLINE void merge(
    struct softmax *softmax, float *out, const struct softmax *part, const float *values, int32_t size
) {
    const float highest = part->highest > softmax->highest ? part->highest : softmax->highest;
    const float before = exp8(broadcast8(softmax->highest - highest))[0];
    const float here = exp8(broadcast8(part->highest - highest))[0];
    for (int32_t d = 0; d < size; d += 8)
        store8(out + d, fma8(load8(values + d), broadcast8(here), load8(out + d) * broadcast8(before)));
    softmax->sum = softmax->sum * before + part->sum * here;
    softmax->highest = highest;
}

PG_INLINE void normalize(const struct softmax *softmax, float *out, int32_t size) {
    const f32x8 factor = broadcast8(1.0f / softmax->sum);
    for (int32_t d = 0; d < size; d += 8)
        store8(out + d, load8(out + d) * factor);
}

void PG_NAME(pg_merge_parts)(const struct pg_attention_task *task, int32_t head_size) {
    const int32_t query_count = task->row_count * task->group_size;
    for (int32_t q = 0; q < query_count; q++) {
        float *out = task->out + (size_t)(q / task->group_size) * task->out_stride
            + (size_t)(q % task->group_size) * head_size;
        struct softmax total = {-INFINITY, 0}, part;
        for (int32_t i = task->first_part; i < task->part_end; i++) {
            const float *partial =
                task->partials + ((size_t)(i - task->first_part) * query_count + q) * PG_ATTENTION_PARTIAL(head_size);
            memcpy(&part, partial + head_size, sizeof part);
            if (total.sum == 0) {
                memcpy(out, partial, (size_t)head_size * sizeof(float));
                total = part;
            } else if (part.sum > 0) {
                merge(&total, out, &part, partial, head_size);
            }
        }
        normalize(&total, out, head_size);
    }
}
