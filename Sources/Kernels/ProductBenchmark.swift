// Times matrix products as the decoder runs them: packed weights, shared by all workers, one stage after another.

internal import CKernels

/// A weight matrix, packed as often as it takes to stay out of the caches, and activations for it.
public struct ProductBenchmark {
    public let rowCount: Int
    public let columnCount: Int
    public let format: StorageFormat
    /// Bytes of the packed weights that one product streams.
    public var weightBytes: Int { copies[0].byteCount }
    /// Source bytes packed a second, by all workers.
    public let packingRate: Double

    private let copies: [PackedMatrix]
    private let activations: ActivationRows
    private let isFine: Bool
    private let output: FloatMatrix
    private let sinks: FloatMatrix
    private let arena: Arena
    private let pool: WorkerPool
    private let kernels: KernelSet

    /// Makes pseudo-random weights of `format` and packs copies of them that total `totalBytes`.
    ///
    /// - Parameter isFine: Whether activations have 11 bits, as those of the likeliest tokens' logits.
    public init(
        rowCount: Int, columnCount: Int, format: StorageFormat, isFine: Bool, maximumBatch: Int,
        totalBytes: Int = 256 << 20, _ kernels: KernelSet, pool: WorkerPool
    ) throws(KernelError) {
        guard rowCount > 0, columnCount > 0, columnCount % max(32, format.blockElements) == 0 else {
            throw .shapeTooLarge(purpose: "a product of \(rowCount) × \(columnCount)")
        }
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.format = format
        self.kernels = kernels
        self.pool = pool
        arena = Arena()
        let bytes = Self.weights(count: rowCount * columnCount / format.blockElements, format)
        let clock = ContinuousClock(), start = clock.now
        var copies: [PackedMatrix] = [], total = 0, packed = 0
        repeat {
            let copy = try Self.pack(bytes, format, rowCount, columnCount, in: arena, pool)
            copies.append(copy)
            total += copy.byteCount
            packed += bytes.count
        } while total < totalBytes
        packingRate = Double(packed) / (start.duration(to: clock.now) / .seconds(1))
        self.copies = copies
        activations = try ActivationRows(
            rows: maximumBatch, columns: columnCount, hasFineForm: isFine, in: arena, purpose: "activations")
        self.isFine = isFine
        output = try FloatMatrix(rows: maximumBatch, columns: rowCount, in: arena, purpose: "products")
        sinks = try FloatMatrix(rows: pool.workerCount, columns: 16, in: arena, purpose: "results")
        var generator = Noise()
        for row in 0..<maximumBatch {
            for column in 0..<columnCount { activations.values[row, column] = generator.next() }
            activations.quantize(row: row, kernels)
        }
    }

    /// What products with a batch of tokens took: medians.
    public struct Measurement: Sendable {
        public let seconds: Double
        /// Their rate beside what bounds them, measured in turn with them; nil where no measurement of it is written
        /// for the instruction set.
        public let share: Double?
    }

    /// Whether a batch is bound by how fast its weights are read, rather than by arithmetic.
    public static func isBoundByMemory(batch: Int) -> Bool { batch <= 4 }

    /// Measures `rounds` passes over the copies (a large batch visits a few of them), and after each what the machine
    /// can do just then: the pace of a shared machine changes from one second to the next.
    public func measure(batch: Int, rounds: Int) -> Measurement {
        precondition(batch > 0 && batch <= activations.rowCount && rounds > 0, "batch out of range")
        let isBoundByMemory = Self.isBoundByMemory(batch: batch)
        let visited = isBoundByMemory ? copies.count : min(copies.count, 4)
        let work = Double(isBoundByMemory ? weightBytes : rowCount * columnCount * batch)
        var times: [Double] = [], shares: [Double] = []
        for round in 0...rounds {
            let seconds = seconds(batch: batch, visited: visited)
            let limit =
                isBoundByMemory
                ? MachineLimits.readRate(of: copies, sinks: sinks, pool)
                : MachineLimits.best(of: 4, copies[0].peak, kernels.instructionSet, sinks: sinks, pool)
            guard round > 0 else { continue }
            times.append(seconds)
            if limit > 0 { shares.append(work / seconds / limit) }
        }
        return Measurement(
            seconds: times.sorted()[rounds / 2], share: shares.isEmpty ? nil : shares.sorted()[shares.count / 2])
    }

    /// Seconds of one product, over a pass of some copies.
    private func seconds(batch: Int, visited: Int) -> Double {
        ContinuousClock().measure {
            pool.run { worker in
                for copy in copies.prefix(visited) {
                    copy.multiply(
                        activations, isFine: isFine, tokenCount: batch, into: output, kernels, worker,
                        workerCount: pool.workerCount)
                }
            }
        } / .seconds(1) / Double(visited)
    }

    private static func pack(
        _ bytes: [UInt8], _ format: StorageFormat, _ rowCount: Int, _ columnCount: Int, in arena: Arena,
        _ pool: WorkerPool
    ) throws(KernelError) -> PackedMatrix {
        var result: Result<PackedMatrix, KernelError> = .failure(.shapeTooLarge(purpose: "weights"))
        bytes.withUnsafeBytes { bytes in
            do throws(KernelError) {
                result = .success(
                    try PackedMatrix(
                        packing: [MatrixSource(bytes: bytes, format: format, rowCount: rowCount)],
                        columnCount: columnCount, asFloat32: false, in: arena, purpose: "weights", pool: pool))
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }

    /// Random bytes whose 16-bit words, read as fp16 or as bf16, are ordinary small numbers: wherever a format keeps
    /// its scales, the products are neither infinite nor subnormal.
    private static func weights(count: Int, _ format: StorageFormat) -> [UInt8] {
        var generator = Noise()
        return (0..<count * format.blockBytes).map { index in
            let byte = UInt8(truncatingIfNeeded: generator.bits())
            return index % 2 == 1 ? byte & 0x83 | 0x28 : byte
        }
    }

    /// A linear congruential generator: the same weights every time.
    private struct Noise {
        private var state: UInt64 = 1

        mutating func bits() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 40
        }

        /// −1…1.
        mutating func next() -> Float { Float(bits() & 0xffff) / 32_768 - 1 }
    }
}
