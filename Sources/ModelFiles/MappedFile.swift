// A file as read-only memory: the one place of this target that touches memory by address.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A regular file mapped read-only for as long as this object lives.
///
/// Every access is checked against the size at opening. If another process truncates the file meanwhile, reading a
/// vanished page kills this one (SIGBUS): replace model files by renaming, never in place.
public final class MappedFile: Sendable {
    public let path: String
    /// Greater than zero.
    public let byteCount: Int
    /// Owned by this object from `init` to `deinit` and never written, hence safe to share between threads.
    private nonisolated(unsafe) let base: UnsafeRawPointer

    /// Refuses what is no regular file (without waiting on a FIFO), is empty, or is a Git LFS pointer.
    public init(path: String) throws(ModelFileError) {
        // The system would read the path only up to a NUL.
        guard !path.utf8.contains(0) else { throw .cannotRead(file: path, reason: "the path holds a NUL byte") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .cannotRead(file: path, reason: Self.lastError()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .cannotRead(file: path, reason: Self.lastError()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(file: path) }
        guard status.st_size > 0 else { throw .emptyFile(file: path) }
        guard let size = Int(exactly: status.st_size),
            let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED
        else { throw .cannotRead(file: path, reason: Self.lastError()) }
        self.path = path
        byteCount = size
        base = UnsafeRawPointer(address)
        let pointer = Array("version https://git-lfs.github.com/spec/".utf8)
        if bytes(0..<min(size, pointer.count)) == pointer { throw .gitLFSPointer(file: path) }
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
    }

    /// What stands at a path.
    enum PathKind { case nothing, folder, other }

    static func kind(ofPath path: String) -> PathKind {
        var status = stat()
        guard !path.utf8.contains(0), stat(path, &status) == 0 else { return .nothing }
        return status.st_mode & S_IFMT == S_IFDIR ? .folder : .other
    }

    static func lastError() -> String {
        strerror(errno).map { String(cString: $0) } ?? "error \(errno)"
    }

    // MARK: - Reading

    /// The bytes of `range`, which must lie within the file; valid during the call alone.
    public func withBytes<Result>(
        _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        precondition(contains(range), "range outside of the mapped file")
        return try body(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    /// A copy of the bytes of `range`; nil if it reaches beyond the file.
    public func bytes(_ range: Range<Int>) -> [UInt8]? {
        contains(range) ? withBytes(range) { [UInt8]($0) } : nil
    }

    /// The little-endian integer at `offset`, aligned or not; nil if it reaches beyond the file.
    func integer<Value: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Value.Type) -> Value? {
        guard offset >= 0, offset <= byteCount, byteCount - offset >= MemoryLayout<Value>.size else { return nil }
        return Value(littleEndian: (base + offset).loadUnaligned(as: Value.self))
    }

    /// The text in `range`, which must lie within the file; nil if it is not UTF-8.
    func text(_ range: Range<Int>) -> String? {
        withBytes(range) { String(validating: $0, as: UTF8.self) }
    }

    private func contains(_ range: Range<Int>) -> Bool {
        range.lowerBound >= 0 && range.upperBound <= byteCount
    }

    // MARK: - Memory

    /// Gives the pages that lie wholly within `range` back to the system; they are read again if touched again.
    public func adviseDontNeed(_ range: Range<Int>) {
        let page = Int(getpagesize())
        let start = (range.lowerBound + page - 1) / page * page, end = range.upperBound / page * page
        advise(start..<max(start, end), MADV_DONTNEED)
    }

    /// Asks the system to read the pages of `range` ahead.
    public func adviseWillNeed(_ range: Range<Int>) {
        let page = Int(getpagesize())
        advise(range.lowerBound / page * page..<range.upperBound, MADV_WILLNEED)
    }

    private func advise(_ range: Range<Int>, _ advice: Int32) {
        guard !range.isEmpty, contains(range) else { return }
        // Advice only: whether it is followed changes nothing but time and memory.
        _ = madvise(UnsafeMutableRawPointer(mutating: base + range.lowerBound), range.count, advice)
    }
}
