// The one buffer of logits, owned by the engine and filled by an executor.

/// Rows of logits in fp32: shape [rowCapacity, vocabularySize], row-major, 64-byte aligned.
///
/// Belongs to one thread at a time (the engine's); executors write it inside `execute`, samplers read it afterwards.
public final class LogitsBuffer {
    public let rowCapacity: Int
    public let vocabularySize: Int
    private let storage: UnsafeMutableBufferPointer<Float>

    public init(rowCapacity: Int, vocabularySize: Int) {
        self.rowCapacity = rowCapacity
        self.vocabularySize = vocabularySize
        let raw = UnsafeMutableRawBufferPointer.allocate(
            byteCount: rowCapacity * vocabularySize * MemoryLayout<Float>.stride, alignment: 64)
        // Not filled: a row is written before it is read, and the pages of rows that no step reaches stay untouched.
        storage = raw.bindMemory(to: Float.self)
    }

    deinit {
        UnsafeMutableRawBufferPointer(storage).deallocate()
    }

    /// Calls `body` with row `index`, shape [vocabularySize], which may be overwritten.
    @inlinable
    public func withRow<Result, Failure: Error>(
        _ index: Int, _ body: (inout MutableSpan<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var row = MutableSpan(_unsafeElements: rowElements(index))
        return try body(&row)
    }

    /// Overwrites row `destination` with row `source`.
    public func copyRow(_ source: Int, to destination: Int) {
        _ = rowElements(destination).update(fromContentsOf: rowElements(source))
    }

    /// Row `index` as memory, for kernels; valid while this buffer lives.
    public func rowElements(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(index >= 0 && index < rowCapacity, "logits row out of range")
        return UnsafeMutableBufferPointer(rebasing: storage[index * vocabularySize..<(index + 1) * vocabularySize])
    }

    /// All rows, for executors; valid while this buffer lives. Nil: there are none.
    public var matrix: FloatMatrix? {
        storage.baseAddress.map { FloatMatrix(base: $0, rowCount: rowCapacity, columnCount: vocabularySize) }
    }
}
