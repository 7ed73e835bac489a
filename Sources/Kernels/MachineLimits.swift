// What this machine can do at best, measured: the limits that the kernels' rates are held against.

internal import CKernels

/// Rates of a machine with all workers busy, in operations a second.
public struct MachineLimits: Sendable {
    /// Bytes a second that the workers read from memory, from regions far larger than a cache.
    public let readBandwidth: Double
    /// Multiply-adds a second by kind, the operands in registers.
    public let peaks: [Peak: Double]

    /// A sequence of multiply-adds.
    public enum Peak: String, Sendable, CaseIterable {
        /// Fused multiply-add in fp32.
        case float32
        /// 4-bit weights by 8-bit activations, the best sequence of the instruction set.
        case int4
        /// 8-bit weights by 8-bit activations: VNNI, or the three instructions that do without it.
        case int8

        var code: Int32 {
            let peak =
                switch self {
                case .float32: PG_PEAK_F32
                case .int4: PG_PEAK_INT4
                case .int8: PG_PEAK_INT8
                }
            return Int32(peak.rawValue)
        }
    }

    /// Measures for about a second: the best of several short runs, so that other programs on the machine count little.
    ///
    /// - Parameter byteCount: How much memory to read, shared among the workers.
    public static func measured(
        _ set: InstructionSet, pool: WorkerPool, byteCount: Int = 512 << 20
    ) throws(KernelError) -> MachineLimits {
        let arena = Arena()
        let bytes = try arena.allocate(byteCount, purpose: "bandwidth measurement").assumingMemoryBound(to: UInt8.self)
        let sinks = try FloatMatrix(rows: pool.workerCount, columns: 16, in: arena, purpose: "results")
        let share = byteCount / pool.workerCount / 512 * 512
        pool.run { worker in (bytes + worker.index * share).update(repeating: 1, count: share) }
        let read = best(of: 8, pool) { worker in
            sinks[worker.index, 0] += Float(pg_peak_read(bytes + worker.index * share, Int64(share)) & 1)
            return Double(share)
        }
        var peaks: [Peak: Double] = [:]
        for peak in Peak.allCases {
            let rate = best(of: 40, peak, set, sinks: sinks, pool)
            if rate > 0 { peaks[peak] = rate }
        }
        return MachineLimits(readBandwidth: read, peaks: peaks)
    }

    /// What the machine can do at best for these weights, in some tens of milliseconds: how fast the workers read them
    /// from where they are, in bytes a second, and the peak of the multiply-adds that their form needs (0 where no
    /// measurement is written for the instruction set).
    public static func measuredRates(
        for matrices: [PackedMatrix], _ set: InstructionSet, pool: WorkerPool
    ) throws(KernelError) -> (multiplyAdds: Double, readBandwidth: Double) {
        guard let first = matrices.first else { return (0, 0) }
        let arena = Arena()
        let sinks = try FloatMatrix(rows: pool.workerCount, columns: 16, in: arena, purpose: "results")
        // Pieces that are larger than a core's caches, in turn: what lies in a shared cache between two steps lies
        // there in this, too.
        var pieces: [[PackedMatrix]] = [[]]
        for matrix in matrices {
            if pieces[pieces.count - 1].reduce(0, { $0 + $1.byteCount }) >= 64 << 20 { pieces.append([]) }
            pieces[pieces.count - 1].append(matrix)
        }
        let clock = ContinuousClock()
        let deadline = clock.now + .milliseconds(30)
        var bandwidth = 0.0
        for round in 0..<16 where round < 3 || clock.now < deadline {
            bandwidth = max(bandwidth, readRate(of: pieces[round % pieces.count], sinks: sinks, pool))
        }
        let peak = best(of: 8, first.peak, set, sinks: sinks, pool)
        withExtendedLifetime(arena) {}
        return (peak, bandwidth)
    }

    /// Bytes a second at which the workers read these weights, once.
    static func readRate(of matrices: [PackedMatrix], sinks: FloatMatrix, _ pool: WorkerPool) -> Double {
        let byteCount = matrices.reduce(0) { $0 + $1.byteCount }
        let duration = ContinuousClock().measure {
            pool.run { worker in
                for matrix in matrices {
                    let share = matrix.byteCount / pool.workerCount / 512 * 512
                    let sum = pg_peak_read(matrix.part(0).panel(0) + worker.index * share, Int64(share))
                    sinks[worker.index, 0] += Float(sum & 1)
                }
            }
        }
        return Double(byteCount) / max(1e-9, duration / .seconds(1))
    }

    /// Multiply-adds a second of all workers together, in the best of some short runs.
    static func best(
        of rounds: Int, _ peak: Peak, _ set: InstructionSet, sinks: FloatMatrix, _ pool: WorkerPool
    ) -> Double {
        best(of: rounds, pool) { worker in
            var sink: Int32 = 0
            let count = pg_peak_run(set.code, peak.code, 20_000, &sink)
            sinks[worker.index, 0] += Float(sink & 1)
            return Double(count)
        }
    }

    /// Operations a second of all workers together, in the best of `rounds` runs of a body that tells how many it did.
    private static func best(of rounds: Int, _ pool: WorkerPool, _ body: (Worker) -> Double) -> Double {
        let clock = ContinuousClock()
        var best = 0.0
        for _ in 0..<rounds {
            var count = 0.0
            let duration = clock.measure {
                pool.run { worker in
                    let done = body(worker)
                    if worker.index == 0 { count = done }
                }
            }
            best = max(best, count * Double(pool.workerCount) / (duration / .seconds(1)))
        }
        return best
    }
}
