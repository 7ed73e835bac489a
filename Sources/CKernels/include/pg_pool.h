// Compute threads that run one job together, in step with each other.
#ifndef PAGODA_PG_POOL_H
#define PAGODA_PG_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pg_pool;

/// A job: called once on every worker with its number, 0…count−1.
typedef void pg_job_function(void *context, int32_t worker);

/// Starts `count` − 1 threads; the caller of `pg_pool_run` is worker 0. Null if a thread can't be had.
///
/// `cpus` ([PG_CPU_WORDS], see pg_affinity.h): the CPUs that the threads, and whoever calls `pg_pool_run`, are bound to
/// as long as they can be; null leaves them to the system.
struct pg_pool *pg_pool_create(int32_t count, const uint64_t *cpus);

/// Ends the threads and frees the pool. No job may be running.
void pg_pool_destroy(struct pg_pool *pool);

/// Runs `job` on all workers; returns when all are done. One caller at a time.
void pg_pool_run(struct pg_pool *pool, pg_job_function *job, void *context);

/// Lets the calling thread, if it was the last to call `pg_pool_run`, run where it could before.
void pg_pool_release_caller(struct pg_pool *pool);

/// Waits until every worker of the running job is here; the next stage's tiles are then all to be had.
void pg_pool_barrier(struct pg_pool *pool, int32_t worker);

/// A tile of the current stage, which has `tile_count` (the same for all workers), or −1 if all are taken. Each worker
/// goes through a range of its own in order, so that it can ask for memory ahead, and then takes from the others' ends.
int32_t pg_pool_next_tile(struct pg_pool *pool, int32_t worker, int32_t tile_count);

/// The first tile of a worker's own range.
int32_t pg_pool_first_tile(const struct pg_pool *pool, int32_t worker, int32_t tile_count);

/// Memory that a worker is going to read; of 0 bytes: none.
struct pg_range {
    const uint8_t *begin;
    size_t bytes;
};

/// Says what a worker is going to read soon. Whenever it waits for the others it asks memory, which would be idle, for
/// more of that, until it says what else it expects.
void pg_pool_expect(struct pg_pool *pool, int32_t worker, struct pg_range first, struct pg_range second);

#endif
