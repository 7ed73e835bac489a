// A named tensor that lies in a mapped file.

/// Where a tensor's elements are and what they mean; holds the mapping alive.
public struct TensorView: Sendable {
    public let name: String
    public let elementType: ElementType
    /// Row-major, outermost dimension first: a matrix is [rows, columns].
    public let shape: [Int]
    public let file: MappedFile
    /// Lies within the file, and is exactly as long as type and shape say: readers check that before they make a view.
    public let byteRange: Range<Int>

    /// The elements, of any alignment; valid during the call alone.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try file.withBytes(byteRange, body)
    }

    /// Gives the pages of this tensor back to the system, once its elements have been packed elsewhere.
    public func releasePages() {
        file.adviseDontNeed(byteRange)
    }

    /// The same for some rows, which are indices of the outermost dimension.
    public func releasePages(rows: Range<Int>) {
        guard let count = shape.first, count > 0, rows.lowerBound >= 0, rows.upperBound <= count else { return }
        let rowBytes = byteRange.count / count, start = byteRange.lowerBound
        file.adviseDontNeed(start + rows.lowerBound * rowBytes..<start + rows.upperBound * rowBytes)
    }
}

/// The kind of files a checkpoint consists of; tensor names depend on it.
public enum CheckpointFormat: String, Sendable {
    case gguf, safetensors
}

/// Named tensors, whatever files they lie in.
public protocol WeightSource: Sendable {
    var format: CheckpointFormat { get }
    /// For error messages.
    var fileName: String { get }
    /// In the order of the file.
    var tensorNames: [String] { get }
    func tensor(named name: String) -> TensorView?
}
