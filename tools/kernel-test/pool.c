// The compute threads: every tile of every stage once, and no stage before the one before it.

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define STAGES 50
#define TILES 40

struct job {
    struct pg_pool *pool;
    int32_t done[STAGES][TILES]; // how often each tile of each stage was computed
    int32_t early;               // tiles begun before the stage before was complete
};

static void run_stages(void *context, int32_t worker) {
    struct job *job = context;
    for (int stage = 0; stage < STAGES; stage++) {
        // All of it, some bytes, nothing.
        const uint8_t *begin = (const uint8_t *)job->done;
        const struct pg_range ranges[] = {{begin, sizeof job->done}, {begin + stage, (size_t)stage}, {0}};
        pg_pool_expect(job->pool, worker, ranges[stage % 3], ranges[(stage + 1) % 3]);
        for (int32_t tile; (tile = pg_pool_next_tile(job->pool, worker, TILES)) >= 0;) {
            for (int before = 0; stage > 0 && before < TILES; before++)
                if (__atomic_load_n(&job->done[stage - 1][before], __ATOMIC_RELAXED) != 1)
                    __atomic_fetch_add(&job->early, 1, __ATOMIC_RELAXED);
            __atomic_fetch_add(&job->done[stage][tile], 1, __ATOMIC_RELAXED);
        }
        pg_pool_barrier(job->pool, worker);
    }
}

void check_pool(void) {
    begin_group("compute threads: stages and barriers");
    struct job *job = allocate(sizeof *job);
    for (int32_t workers = 1; workers <= 3; workers++) {
        job->pool = pg_pool_create(workers, 0);
        if (!check(job->pool != 0, "%d threads can't be had", workers))
            continue;
        for (int run = 0; run < 5; run++) {
            memset(job->done, 0, sizeof job->done);
            job->early = 0;
            pg_pool_run(job->pool, run_stages, job);
            int wrong = 0;
            for (int stage = 0; stage < STAGES; stage++)
                for (int tile = 0; tile < TILES; tile++)
                    wrong += job->done[stage][tile] != 1;
            check(wrong == 0 && job->early == 0, "%d workers: %d tiles wrong, %d early", workers, wrong, job->early);
        }
        pg_pool_destroy(job->pool);
    }
    free(job);
    end_group();
}
