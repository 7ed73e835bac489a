// The compute threads, and the shape in which a forward pass is written for them.

internal import CKernels

/// A fixed set of compute threads. The caller of `run` is worker 0.
public final class WorkerPool {
    public let workerCount: Int
    private let pool: OpaquePointer

    /// - Parameter cpus: Those that the threads, and callers of `run`, are bound to; nil leaves them to the system.
    public init(workerCount: Int, cpus: CPUSet? = nil) throws(KernelError) {
        let count = max(1, workerCount)
        guard let count32 = Int32(exactly: count), let pool = Self.create(count32, cpus) else {
            throw .noThreads(count: count)
        }
        self.pool = pool
        self.workerCount = count
    }

    private static func create(_ count: Int32, _ cpus: CPUSet?) -> OpaquePointer? {
        guard let cpus else { return pg_pool_create(count, nil) }
        return cpus.words.withUnsafeBufferPointer { pg_pool_create(count, $0.baseAddress) }
    }

    deinit {
        pg_pool_destroy(pool)
    }

    /// Lets the calling thread, if it was the last to call `run`, run where it could before.
    public func releaseCaller() {
        pg_pool_release_caller(pool)
    }

    /// Within a job of this pool, by the worker of number `index`: waits until every worker is here.
    public func meet(as index: Int) {
        precondition(index >= 0 && index < workerCount, "worker out of range")
        pg_pool_barrier(pool, Int32(index))
    }

    /// Runs `body` on every worker at once and returns when all are done.
    ///
    /// `body` runs on several threads: it may write only what its stages give to one worker at a time.
    public func run(_ body: (Worker) -> Void) {
        withoutActuallyEscaping(body) { body in
            var job = Job(body: body, pool: pool)
            withUnsafeMutablePointer(to: &job) { job in
                pg_pool_run(
                    pool,
                    { context, index in
                        guard let job = context?.assumingMemoryBound(to: Job.self) else { return }
                        job.pointee.body(Worker(index: Int(index), pool: job.pointee.pool))
                    }, job)
            }
        }
    }

    private struct Job {
        let body: (Worker) -> Void
        let pool: OpaquePointer
    }
}

/// One thread's view of a running job. All workers go through the same stages in the same order.
public struct Worker {
    public let index: Int
    let pool: OpaquePointer

    /// Waits until every worker is here.
    public func meetOthers() {
        pg_pool_barrier(pool, Int32(index))
    }

    /// Calls `body` for each tile, and waits until all are done. Each worker starts with a range of its own; one that
    /// is done helps the others.
    public func stage(tiles count: Int, _ body: (Int) -> Void) {
        while true {
            let tile = pg_pool_next_tile(pool, Int32(index), Int32(count))
            guard tile >= 0 else { break }
            body(Int(tile))
        }
        pg_pool_barrier(pool, Int32(index))
    }

    /// The tiles that are this worker's own in a stage of so many.
    func ownTiles(of count: Int) -> Range<Int> {
        let first = pg_pool_first_tile(pool, Int32(index), Int32(count))
        return Int(first)..<Int(pg_pool_first_tile(pool, Int32(index) + 1, Int32(count)))
    }

    /// Says what this worker is going to read soon: it asks for that whenever it waits for the others.
    func expect(_ first: pg_range, _ second: pg_range = pg_range()) {
        pg_pool_expect(pool, Int32(index), first, second)
    }

    /// Says that it is not known.
    public func expectNothing() {
        expect(pg_range())
    }
}
