// Workers spin for some tens of microseconds, since the next stage or step mostly comes sooner, and then sleep, so that
// an idle engine costs nothing.

#include "pg_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_affinity.h"
#include "pg_cpu.h"

#define CACHE_LINE 64
#define SPINS_BEFORE_SLEEP 5000

struct word {
    _Alignas(CACHE_LINE) _Atomic uint32_t value;
};

/// What has been taken of a worker's tiles: from their front in the low half, from their back in the high one. Together
/// they may exceed the tiles there are: who took beyond got none.
struct taken {
    _Alignas(CACHE_LINE) _Atomic uint64_t value;
};

#define FROM_BACK ((uint64_t)1 << 32)

/// What a worker has not yet asked for of what it expects to read; its own.
struct expected {
    _Alignas(CACHE_LINE) struct pg_range ranges[2];
};

struct pg_pool {
    struct word job_number;  // rises by one with every job
    struct word phase;       // rises by one with every barrier passed
    struct word arrived;     // workers at the barrier
    struct word sleepers;
    struct word stopping;
    pg_job_function *job;
    void *context;
    int32_t count;
    struct taken *taken;       // [count]
    struct expected *expected; // [count]
    pthread_t *threads;
    int32_t is_bound; // to `cpus`
    uint64_t cpus[PG_CPU_WORDS];
    int32_t has_caller; // `caller` is bound, and could run on `caller_cpus` before
    pthread_t caller;
    uint64_t caller_cpus[PG_CPU_WORDS];
};

struct start {
    struct pg_pool *pool;
    int32_t worker;
};

/// Asks for a line of what is expected, into the second cache; 0 if all has been asked for.
static int ask_for_line(struct expected *expected) {
    for (int i = 0; i < 2; i++) {
        struct pg_range *range = &expected->ranges[i];
        if (range->bytes == 0)
            continue;
        __builtin_prefetch(range->begin, 0, 2);
        const size_t step = range->bytes < CACHE_LINE ? range->bytes : CACHE_LINE;
        *range = (struct pg_range){range->begin + step, range->bytes - step};
        return 1;
    }
    return 0;
}

/// Waits until `word` is no longer `old`.
static void wait_for_change(struct pg_pool *pool, struct word *word, uint32_t old, int32_t worker) {
    for (int spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
        if (atomic_load_explicit(&word->value, memory_order_acquire) != old)
            return;
        if (!ask_for_line(&pool->expected[worker]))
            pg_spin_pause();
    }
    atomic_fetch_add(&pool->sleepers.value, 1);
    while (atomic_load(&word->value) == old)
        pg_wait_on_word((const uint32_t *)&word->value, old);
    atomic_fetch_sub(&pool->sleepers.value, 1);
}

static void change(struct pg_pool *pool, struct word *word) {
    atomic_fetch_add(&word->value, 1);
    if (atomic_load(&pool->sleepers.value) > 0)
        pg_wake_word((const uint32_t *)&word->value);
}

static void forget_tiles(struct pg_pool *pool) {
    for (int32_t worker = 0; worker < pool->count; worker++)
        atomic_store_explicit(&pool->taken[worker].value, 0, memory_order_relaxed);
}

void pg_pool_barrier(struct pg_pool *pool, int32_t worker) {
    const uint32_t phase = atomic_load_explicit(&pool->phase.value, memory_order_acquire);
    if (atomic_fetch_add(&pool->arrived.value, 1) + 1 == (uint32_t)pool->count) {
        atomic_store_explicit(&pool->arrived.value, 0, memory_order_relaxed);
        forget_tiles(pool);
        change(pool, &pool->phase);
    } else {
        wait_for_change(pool, &pool->phase, phase, worker);
    }
}

int32_t pg_pool_first_tile(const struct pg_pool *pool, int32_t worker, int32_t tile_count) {
    return (int32_t)((int64_t)tile_count * worker / pool->count);
}

void pg_pool_expect(struct pg_pool *pool, int32_t worker, struct pg_range first, struct pg_range second) {
    pool->expected[worker] = (struct expected){{first, second}};
}

int32_t pg_pool_next_tile(struct pg_pool *pool, int32_t worker, int32_t tile_count) {
    for (int32_t i = 0; i < pool->count; i++) {
        const int32_t owner = (worker + i) % pool->count;
        const int32_t begin = pg_pool_first_tile(pool, owner, tile_count);
        const int32_t end = pg_pool_first_tile(pool, owner + 1, tile_count);
        _Atomic uint64_t *taken = &pool->taken[owner].value;
        uint64_t before = atomic_load_explicit(taken, memory_order_relaxed);
        if ((before & (FROM_BACK - 1)) + (before >> 32) >= (uint64_t)(end - begin))
            continue;
        before = atomic_fetch_add_explicit(taken, i == 0 ? 1 : FROM_BACK, memory_order_relaxed);
        const uint64_t front = before & (FROM_BACK - 1), back = before >> 32;
        if (front + back < (uint64_t)(end - begin))
            return i == 0 ? begin + (int32_t)front : end - 1 - (int32_t)back;
    }
    return -1;
}

static void *worker_main(void *argument) {
    const struct start start = *(struct start *)argument;
    free(argument);
    struct pg_pool *pool = start.pool;
    char name[16];
    snprintf(name, sizeof name, "worker-%d", start.worker);
    pg_name_thread(name);
    // Where it can't be bound it is slower, no more.
    if (pool->is_bound)
        pg_bind_thread(pool->cpus);
    for (uint32_t job_number = 0;; job_number++) {
        wait_for_change(pool, &pool->job_number, job_number, start.worker);
        if (atomic_load(&pool->stopping.value))
            return 0;
        pool->job(pool->context, start.worker);
        pg_pool_barrier(pool, start.worker);
    }
}

static void free_pool(struct pg_pool *pool) {
    free(pool->taken);
    free(pool->expected);
    free(pool->threads);
    free(pool);
}

struct pg_pool *pg_pool_create(int32_t count, const uint64_t *cpus) {
    struct pg_pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    if (!pool)
        return 0;
    *pool = (struct pg_pool){
        .count = 1,
        .taken = aligned_alloc(CACHE_LINE, (size_t)count * sizeof(struct taken)),
        .expected = aligned_alloc(CACHE_LINE, (size_t)count * sizeof(struct expected)),
        .threads = calloc((size_t)count, sizeof(pthread_t)),
        .is_bound = cpus != 0,
    };
    if (cpus)
        memcpy(pool->cpus, cpus, sizeof pool->cpus);
    if (!pool->threads || !pool->taken || !pool->expected) {
        free_pool(pool);
        return 0;
    }
    memset(pool->expected, 0, (size_t)count * sizeof(struct expected));
    for (; pool->count < count; pool->count++) {
        struct start *start = malloc(sizeof *start);
        if (start)
            *start = (struct start){pool, pool->count};
        if (!start || pthread_create(&pool->threads[pool->count], 0, worker_main, start) != 0) {
            free(start);
            pg_pool_destroy(pool);
            return 0;
        }
    }
    return pool;
}

void pg_pool_destroy(struct pg_pool *pool) {
    atomic_store(&pool->stopping.value, 1);
    change(pool, &pool->job_number);
    for (int32_t worker = 1; worker < pool->count; worker++)
        pthread_join(pool->threads[worker], 0);
    free_pool(pool);
}

static void bind_caller(struct pg_pool *pool) {
    const pthread_t self = pthread_self();
    if (pool->has_caller && pthread_equal(pool->caller, self))
        return;
    pool->has_caller = pg_thread_cpus(pool->caller_cpus) && pg_bind_thread(pool->cpus);
    pool->caller = self;
}

void pg_pool_release_caller(struct pg_pool *pool) {
    if (pool->has_caller && pthread_equal(pool->caller, pthread_self()))
        pg_bind_thread(pool->caller_cpus);
    pool->has_caller = 0;
}

void pg_pool_run(struct pg_pool *pool, pg_job_function *job, void *context) {
    if (pool->is_bound)
        bind_caller(pool);
    pool->job = job;
    pool->context = context;
    forget_tiles(pool);
    change(pool, &pool->job_number);
    job(context, 0);
    pg_pool_barrier(pool, 0);
}
