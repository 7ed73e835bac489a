// Ranks wait for each other by polling: other messages are a few microseconds away, and a rank that has nothing to do
// must cost next to nothing, which MPI's own waiting would not.
#define _GNU_SOURCE
#include "cmpi.h"

#if defined(PAGODA_MPI)

#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { TAG_WORDS = 1, TAG_DATA = 2 };

static struct pg_mpi_world world;
static double timeout_seconds;
static atomic_int interrupted;

static void nap(long nanoseconds) {
    const struct timespec pause = {0, nanoseconds};
    nanosleep(&pause, 0);
}

int32_t pg_mpi_start(double timeout, struct pg_mpi_world *out) {
    int provided = 0, rank = 0, size = 0, local = 0;
    if (MPI_Init_thread(0, 0, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS || provided < MPI_THREAD_SERIALIZED)
        return PG_MPI_ERROR;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm machine;
    if (MPI_Comm_rank(MPI_COMM_WORLD, &rank) != MPI_SUCCESS || MPI_Comm_size(MPI_COMM_WORLD, &size) != MPI_SUCCESS
        || MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine) != MPI_SUCCESS
        || MPI_Comm_size(machine, &local) != MPI_SUCCESS)
        return PG_MPI_ERROR;
    MPI_Comm_free(&machine);
    if (size > PG_MPI_MAX_RANKS)
        return PG_MPI_TOO_LARGE;
    timeout_seconds = timeout;
    world = (struct pg_mpi_world){rank, size, local};
    *out = world;
    return PG_MPI_OK;
}

void pg_mpi_finish(void) {
    MPI_Finalize();
}

void pg_mpi_interrupt(void) {
    atomic_store(&interrupted, 1);
}

/// Waits for all of the requests.
static int32_t wait_all(MPI_Request *requests, int count) {
    double start = 0;
    for (int64_t round = 0;; round++) {
        int done = 0;
        if (MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE) != MPI_SUCCESS)
            return PG_MPI_ERROR;
        if (done)
            return PG_MPI_OK;
        if (round < 2000)
            continue;
        if (atomic_load_explicit(&interrupted, memory_order_relaxed))
            return PG_MPI_INTERRUPTED;
        if (start == 0)
            start = MPI_Wtime();
        const double waited = MPI_Wtime() - start;
        if (waited > timeout_seconds)
            return PG_MPI_TIMEOUT;
        if (waited < 0.005)
            sched_yield();
        else
            nap(100 * 1000);
    }
}

int32_t pg_mpi_broadcast(uint8_t *bytes, int32_t count) {
    MPI_Request request;
    if (MPI_Ibcast(bytes, count, MPI_BYTE, 0, MPI_COMM_WORLD, &request) != MPI_SUCCESS)
        return PG_MPI_ERROR;
    return wait_all(&request, 1);
}

static int32_t reduce(void *values, int32_t count, MPI_Datatype type, MPI_Op operation) {
    MPI_Request request;
    if (MPI_Iallreduce(MPI_IN_PLACE, values, count, type, operation, MPI_COMM_WORLD, &request) != MPI_SUCCESS)
        return PG_MPI_ERROR;
    return wait_all(&request, 1);
}

int32_t pg_mpi_minimum(int64_t *values, int32_t count) {
    return reduce(values, count, MPI_INT64_T, MPI_MIN);
}

int32_t pg_mpi_sum(double *values, int32_t count) {
    return reduce(values, count, MPI_DOUBLE, MPI_SUM);
}

int32_t pg_mpi_send(const int32_t *words, int32_t count) {
    MPI_Request requests[PG_MPI_MAX_RANKS];
    int pending = 0;
    for (int32_t rank = 0; rank < world.size; rank++)
        if (rank != world.rank
            && MPI_Isend(words, count, MPI_INT32_T, rank, TAG_WORDS, MPI_COMM_WORLD, &requests[pending++])
                != MPI_SUCCESS)
            return PG_MPI_ERROR;
    return wait_all(requests, pending);
}

int32_t pg_mpi_await(int32_t limit, int32_t *count) {
    long pause = 0;
    for (int64_t round = 0;; round++) {
        MPI_Status status;
        int found = 0, words = 0;
        if (MPI_Iprobe(0, TAG_WORDS, MPI_COMM_WORLD, &found, &status) != MPI_SUCCESS)
            return PG_MPI_ERROR;
        if (found) {
            if (MPI_Get_count(&status, MPI_INT32_T, &words) != MPI_SUCCESS || words < 0)
                return PG_MPI_ERROR;
            *count = words;
            return words <= limit ? PG_MPI_OK : PG_MPI_TOO_LARGE;
        }
        if (atomic_load_explicit(&interrupted, memory_order_relaxed))
            return PG_MPI_INTERRUPTED;
        // The next step mostly comes at once; after that an idle rank looks a thousand times a second.
        if (round < 5000)
            continue;
        if (round < 10000) {
            sched_yield();
            continue;
        }
        pause = pause < 1000 * 1000 ? pause + 20 * 1000 : pause;
        nap(pause);
    }
}

int32_t pg_mpi_receive(int32_t *words, int32_t count) {
    MPI_Request request;
    if (MPI_Irecv(words, count, MPI_INT32_T, 0, TAG_WORDS, MPI_COMM_WORLD, &request) != MPI_SUCCESS)
        return PG_MPI_ERROR;
    return wait_all(&request, 1);
}

/// What one call sends and receives; of kinds of data that are made for it.
struct exchange {
    MPI_Request requests[2 * PG_MPI_MAX_RANKS];
    MPI_Datatype types[PG_MPI_MAX_RANKS + 1];
    int request_count;
    int type_count;
    int failed;
};

static void use_type(struct exchange *exchange, MPI_Datatype type) {
    exchange->types[exchange->type_count++] = type;
    if (MPI_Type_commit(&type) != MPI_SUCCESS)
        exchange->failed = 1;
}

static void post(struct exchange *exchange, int is_send, float *at, MPI_Datatype type, int32_t peer) {
    MPI_Request *request = &exchange->requests[exchange->request_count++];
    const int result = is_send ? MPI_Isend(at, 1, type, peer, TAG_DATA, MPI_COMM_WORLD, request)
                               : MPI_Irecv(at, 1, type, peer, TAG_DATA, MPI_COMM_WORLD, request);
    if (result != MPI_SUCCESS) {
        exchange->failed = 1;
        exchange->request_count--;
    }
}

static int32_t end(struct exchange *exchange) {
    const int32_t result = wait_all(exchange->requests, exchange->request_count);
    for (int i = 0; i < exchange->type_count; i++)
        MPI_Type_free(&exchange->types[i]);
    return exchange->failed ? PG_MPI_ERROR : result;
}

int32_t pg_mpi_gather(
    float *matrix, int64_t stride, int32_t rows, const int32_t *first, const int32_t *widths, int32_t root
) {
    struct exchange exchange = {.request_count = 0};
    MPI_Datatype own = MPI_DATATYPE_NULL;
    for (int32_t peer = 0; peer < world.size; peer++) {
        const int is_own = peer == world.rank;
        // A root receives from all and sends nothing; the others do the opposite.
        if (!is_own && root >= 0 && root != world.rank)
            continue;
        MPI_Datatype type;
        if (MPI_Type_vector(rows, widths[peer], (int)stride, MPI_FLOAT, &type) != MPI_SUCCESS)
            return PG_MPI_ERROR;
        use_type(&exchange, type);
        if (is_own)
            own = type;
        else
            post(&exchange, 0, matrix + first[peer], type, peer);
    }
    for (int32_t peer = 0; peer < world.size; peer++)
        if (peer != world.rank && (root < 0 || root == peer))
            post(&exchange, 1, matrix + first[world.rank], own, peer);
    return end(&exchange);
}

int32_t pg_mpi_exchange_rows(float *matrix, int32_t width, int32_t rows, const int32_t *owners) {
    if ((int64_t)rows * width > INT_MAX)
        return PG_MPI_TOO_LARGE;
    struct exchange exchange = {.request_count = 0};
    int *places = malloc((size_t)rows * sizeof *places);
    if (!places)
        return PG_MPI_ERROR;
    for (int32_t owner = 0; owner < world.size; owner++) {
        int count = 0;
        for (int32_t row = 0; row < rows; row++)
            if (owners[row] == owner)
                places[count++] = row * width;
        MPI_Datatype type;
        if (count == 0)
            continue;
        if (MPI_Type_create_indexed_block(count, width, places, MPI_FLOAT, &type) != MPI_SUCCESS) {
            exchange.failed = 1;
            break;
        }
        use_type(&exchange, type);
        for (int32_t peer = 0; peer < world.size; peer++)
            if (peer != world.rank && (owner == world.rank || owner == peer))
                post(&exchange, owner == world.rank, matrix, type, peer);
    }
    free(places);
    return end(&exchange);
}

#endif
