// The calls of MPI that ranks of a model make. Compiled by a build with the package trait MPI alone.
#ifndef PAGODA_CMPI_H
#define PAGODA_CMPI_H

#include <stdint.h>

#define PG_MPI_MAX_RANKS 256

/// Why a call failed.
enum pg_mpi_result {
    PG_MPI_OK = 0,
    PG_MPI_ERROR = 1,       // MPI says so
    PG_MPI_TIMEOUT = 2,     // another rank did not come
    PG_MPI_INTERRUPTED = 3, // `pg_mpi_interrupt` was called
    PG_MPI_TOO_LARGE = 4,   // a message of more than was allowed
};

struct pg_mpi_world {
    int32_t rank;
    int32_t size;
    int32_t local_size; // ranks on this rank's machine
};

/// All calls are made by one thread at a time. Other ranks are waited for at most `timeout` seconds in the middle of
/// something that all do together.
int32_t pg_mpi_start(double timeout, struct pg_mpi_world *world);

/// Waits until all ranks are done.
void pg_mpi_finish(void);

/// Has every call that waits, now and later, return PG_MPI_INTERRUPTED. May be called from any thread.
void pg_mpi_interrupt(void);

/// Rank 0's bytes for everybody.
int32_t pg_mpi_broadcast(uint8_t *bytes, int32_t count);

/// Replaces each value by the least, or by the sum, of all ranks'.
int32_t pg_mpi_minimum(int64_t *values, int32_t count);
int32_t pg_mpi_sum(double *values, int32_t count);

/// Sends words to all other ranks.
int32_t pg_mpi_send(const int32_t *words, int32_t count);

/// Waits, as long as it takes, for words of rank 0: first how many they are, at most `limit`, then themselves.
int32_t pg_mpi_await(int32_t limit, int32_t *count);
int32_t pg_mpi_receive(int32_t *words, int32_t count);

/// Passes on columns of the first `rows` rows of a matrix, of which each rank r has computed widths[r], from first[r]
/// on: to all ranks, or to `root` alone if that is not negative. Shape of the matrix: [at least rows, stride].
int32_t pg_mpi_gather(
    float *matrix, int64_t stride, int32_t rows, const int32_t *first, const int32_t *widths, int32_t root);

/// Passes on whole rows: row i is owners[i]'s.
int32_t pg_mpi_exchange_rows(float *matrix, int32_t width, int32_t rows, const int32_t *owners);

#endif
