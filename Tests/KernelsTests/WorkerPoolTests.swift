import Kernels
import Synchronization
import Testing

@Suite("Worker pool")
struct WorkerPoolTests {
    @Test("every tile of every stage is done exactly once, in the order of the stages", arguments: 1...4)
    func tiles(workers: Int) throws {
        let pool = try WorkerPool(workerCount: workers)
        let stages = 300
        let counts = (0..<stages).map { $0 % 7 }
        let done = Mutex([[Int]](repeating: [], count: stages))
        for _ in 0..<3 {
            pool.run { worker in
                for stage in 0..<stages {
                    worker.stage(tiles: counts[stage]) { tile in
                        done.withLock { done in
                            done[stage].append(tile)
                            // A stage begins when all before it have ended.
                            if stage > 0 { #expect(done[stage - 1].count % max(1, counts[stage - 1]) == 0) }
                        }
                    }
                }
            }
        }
        let found = done.withLock { $0.map { $0.sorted() } }
        let expected = counts.map { count in (0..<count).flatMap { [$0, $0, $0] } }
        #expect(found == expected)
    }

    @Test("each worker runs a job once, under its own number")
    func workersAreNumbered() throws {
        let pool = try WorkerPool(workerCount: 3)
        let seen = Mutex<[Int]>([])
        pool.run { worker in seen.withLock { $0.append(worker.index) } }
        #expect(seen.withLock { $0.sorted() } == [0, 1, 2])
    }
}
