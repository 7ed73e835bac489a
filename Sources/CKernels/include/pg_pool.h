// Compute threads that run one job together, in step with each other.
#ifndef PAGODA_PG_POOL_H
#define PAGODA_PG_POOL_H

#include <stdint.h>

struct pg_pool;

/// A job: called once on every worker with its number, 0…count−1.
typedef void pg_job_function(void *context, int32_t worker);

/// Starts `count` − 1 threads; the caller of `pg_pool_run` is worker 0. Null if a thread can't be had.
struct pg_pool *pg_pool_create(int32_t count);

/// Ends the threads and frees the pool. No job may be running.
void pg_pool_destroy(struct pg_pool *pool);

/// Runs `job` on all workers; returns when all are done. One caller at a time.
void pg_pool_run(struct pg_pool *pool, pg_job_function *job, void *context);

/// Waits until every worker of the running job is here, and sets the tile counter back to 0.
void pg_pool_barrier(struct pg_pool *pool);

/// The next tile of the current stage: 0, 1, 2, … shared by all workers.
int32_t pg_pool_next_tile(struct pg_pool *pool);

#endif
