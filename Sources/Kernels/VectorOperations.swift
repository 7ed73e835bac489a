// Passes over a row of logits for the sampler, checked.

internal import CKernels

/// Reductions and selections of one instruction set over a row of fp32 values. All variants give the same bits.
public struct VectorOperations: Sendable {
    /// The largest value and its lowest index; `isNaN` if any value of the row is no number.
    @frozen
    public struct Extreme: Sendable, Equatable {
        public let value: Float
        public let index: Int
        public let isNaN: Bool
    }

    /// The largest row: indices are 32 bits wide.
    public static let maximumSize = Int(Int32.max) - 8

    private let functions: pg_kernels

    public init(_ instructionSet: InstructionSet = .best) {
        functions = KernelSet(instructionSet).functions
    }

    /// The kernels of the best instruction set of this machine.
    public static let best = VectorOperations()

    /// The largest value of a row, shape [size], size at least 1.
    public func argmax(_ values: Span<Float>) -> Extreme {
        precondition(!values.isEmpty, "argmax of nothing")
        let size = Self.size(values)
        let extreme = values.withUnsafeBufferPointer { functions.argmax($0.baseAddress, size) }
        return Extreme(value: extreme.value, index: Int(extreme.index), isNaN: extreme.is_nan != 0)
    }

    /// Replaces `maxima` by the largest value of each block of `block` values (a multiple of 8).
    public func blockMaxima(of values: Span<Float>, block: Int, into maxima: inout [Float]) {
        precondition(block > 0 && block % 8 == 0 && block <= 1 << 20, "blocks are of whole vectors")
        let size = Self.size(values)
        maxima.removeAll(keepingCapacity: true)
        maxima.append(contentsOf: repeatElement(0, count: (values.count + block - 1) / block))
        maxima.withUnsafeMutableBufferPointer { maxima in
            values.withUnsafeBufferPointer {
                functions.block_maxima($0.baseAddress, size, Int32(block), maxima.baseAddress)
            }
        }
    }

    /// Σ exp((value − shift) × scale) in a fixed order; `shift` is not below any value.
    public func expSum(_ values: Span<Float>, shift: Float, scale: Float) -> Float {
        let size = Self.size(values)
        return values.withUnsafeBufferPointer { functions.exp_sum($0.baseAddress, size, shift, scale) }
    }

    /// Replaces each value by exp((value − shift) × scale), the terms that `expSum` adds.
    public func exp(_ values: inout [Float], shift: Float, scale: Float) {
        let size = Self.size(values.span)
        values.withUnsafeMutableBufferPointer { values in
            functions.exp(UnsafePointer(values.baseAddress), size, shift, scale, values.baseAddress)
        }
    }

    /// How many values are at least `threshold`.
    public func count(in values: Span<Float>, atLeast threshold: Float) -> Int {
        let size = Self.size(values)
        return values.withUnsafeBufferPointer { Int(functions.count($0.baseAddress, size, threshold)) }
    }

    /// Replaces `indices` and `collected` by those values that are at least `threshold`, in order of index.
    public func collect(
        from values: Span<Float>, atLeast threshold: Float, indices: inout [Int32], values collected: inout [Float]
    ) {
        let size = Self.size(values)
        let count = count(in: values, atLeast: threshold)
        indices.removeAll(keepingCapacity: true)
        indices.append(contentsOf: repeatElement(0, count: count))
        collected.removeAll(keepingCapacity: true)
        collected.append(contentsOf: repeatElement(0, count: count))
        indices.withUnsafeMutableBufferPointer { indices in
            collected.withUnsafeMutableBufferPointer { collected in
                values.withUnsafeBufferPointer { values in
                    _ = functions.collect(
                        values.baseAddress, size, threshold, Int32(count), indices.baseAddress, collected.baseAddress)
                }
            }
        }
    }

    private static func size(_ values: Span<Float>) -> Int32 {
        precondition(values.count <= maximumSize, "a row too long for its indices")
        return Int32(values.count)
    }
}
