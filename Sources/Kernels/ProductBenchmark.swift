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
    private let output: FloatMatrix
    private let arena: Arena
    private let pool: WorkerPool
    private let kernels: KernelSet

    /// Makes pseudo-random weights of `format` and packs copies of them that total `totalBytes`.
    public init(
        rowCount: Int, columnCount: Int, format: StorageFormat, maximumBatch: Int, totalBytes: Int = 256 << 20,
        _ kernels: KernelSet, pool: WorkerPool
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
        activations = try ActivationRows(rows: maximumBatch, columns: columnCount, in: arena, purpose: "activations")
        output = try FloatMatrix(rows: maximumBatch, columns: rowCount, in: arena, purpose: "products")
        var generator = Noise()
        for row in 0..<maximumBatch {
            for column in 0..<columnCount { activations.values[row, column] = generator.next() }
            activations.quantize(row: row, kernels)
        }
    }

    /// Which of the machine's peaks bounds this product in a large batch.
    public var peak: MachineLimits.Peak { copies[0].peak }

    /// Seconds of one product with `batch` tokens: the median of `rounds`, each a pass over the copies (a large batch
    /// visits a few of them).
    public func seconds(batch: Int, rounds: Int) -> Double {
        precondition(batch > 0 && batch <= activations.rowCount && rounds > 0, "batch out of range")
        let clock = ContinuousClock()
        let visited = batch <= 4 ? copies.count : min(copies.count, 4)
        let times = (0..<rounds + 1).map { _ in
            clock.measure {
                pool.run { worker in
                    for copy in copies.prefix(visited) {
                        copy.multiply(
                            activations, tokenCount: batch, into: output, kernels, worker,
                            workerCount: pool.workerCount)
                    }
                }
            } / .seconds(1)
        }
        return times.dropFirst().sorted()[rounds / 2] / Double(visited)
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
