// A GGUF file: header, metadata, tensor table, data. Format: the GGUF specification (ggml, docs/gguf.md).

/// A GGUF file of version 2 or 3, little endian, all of whose tensors have been checked to lie within it.
public struct GGUFFile: WeightSource {
    public let metadata: GGUFMetadata
    public let tensorNames: [String]
    private let file: MappedFile
    private let tensors: [String: TensorView]

    public var format: CheckpointFormat { .gguf }
    public var fileName: String { file.path }
    public func tensor(named name: String) -> TensorView? { tensors[name] }

    /// The first four bytes of every GGUF file, as a little-endian number.
    static let magic: UInt32 = 0x4655_4747

    /// The fewest bytes that a key with its value and a tensor's entry take.
    private static let leastPairBytes = 8 + 1 + 4 + 1
    private static let leastEntryBytes = 8 + 1 + 4 + 8 + 4 + 8
    private static let longestTensorName = 64
    private static let greatestRank = 4
    private static let alignments = 8...65536

    public init(path: String) throws(ModelFileError) {
        try self.init(file: try MappedFile(path: path))
    }

    init(file: MappedFile) throws(ModelFileError) {
        var reader = GGUFReader(file: file)
        try Self.checkVersion(&reader)
        let tensorCount = try reader.count(leastBytes: Self.leastEntryBytes, of: "the tensors")
        let pairCount = try reader.count(leastBytes: Self.leastPairBytes, of: "the metadata")
        metadata = try Self.readMetadata(&reader, count: pairCount)
        if let parts = try metadata.integer("split.count"), parts > 1 {
            throw .badValue(
                file: file.path, key: "split.count",
                reason: "the model is split over \(parts) files; join them with llama-gguf-split --merge")
        }
        var entries: [Entry] = []
        entries.reserveCapacity(tensorCount)
        for index in 0..<tensorCount { entries.append(try Self.readEntry(&reader, index: index)) }
        let views = try Self.place(entries, after: reader.position, alignment: try Self.alignment(metadata), in: file)
        var tensors: [String: TensorView] = [:]
        for view in views {
            guard tensors.updateValue(view, forKey: view.name) == nil else {
                throw .badTensor(file: file.path, tensor: view.name, reason: "is there twice")
            }
        }
        self.file = file
        self.tensors = tensors
        tensorNames = views.map(\.name)
    }

    // MARK: - Header

    private static func checkVersion(_ reader: inout GGUFReader) throws(ModelFileError) {
        let path = reader.file.path
        guard try reader.integer(UInt32.self, of: "the header") == magic else { throw .unknownFormat(file: path) }
        let version = try reader.integer(UInt32.self, of: "the header")
        guard version & 0xFFFF != 0 || version == 0 else {
            throw .malformed(file: path, reason: "it is big endian; convert it to little endian")
        }
        guard (2...3).contains(version) else {
            throw .malformed(file: path, reason: "it has GGUF version \(version); only 2 and 3 can be read")
        }
    }

    private static func readMetadata(
        _ reader: inout GGUFReader, count: Int
    ) throws(ModelFileError) -> GGUFMetadata {
        var metadata = GGUFMetadata(fileName: reader.file.path)
        for index in 0..<count {
            let key = try reader.name(longest: GGUFReader.longestKeyBytes, of: "metadata key \(index)")
            let value = try reader.value(of: key)
            guard metadata.insert(key, value) else {
                throw .badValue(file: reader.file.path, key: key, reason: "is there twice")
            }
        }
        return metadata
    }

    private static func alignment(_ metadata: GGUFMetadata) throws(ModelFileError) -> Int {
        let key = "general.alignment"
        let alignment = try metadata.integer(key) ?? 32
        guard alignments.contains(alignment), alignment.nonzeroBitCount == 1 else {
            throw .badValue(
                file: metadata.fileName, key: key,
                reason: "is \(alignment), not a power of two from \(alignments.lowerBound) to \(alignments.upperBound)")
        }
        return alignment
    }

    // MARK: - Tensors

    /// A row of the tensor table.
    private struct Entry {
        let name: String
        let type: ElementType
        let shape: [Int]
        let byteCount: Int
        /// From the start of the data.
        let offset: UInt64
    }

    private static func readEntry(_ reader: inout GGUFReader, index: Int) throws(ModelFileError) -> Entry {
        let path = reader.file.path
        let name = try reader.name(longest: longestTensorName, of: "the name of tensor \(index)")
        let part = "the entry of tensor \(ModelFileError.quoted(name))"
        let rank = try reader.integer(UInt32.self, of: part)
        guard (1...UInt32(greatestRank)).contains(rank) else {
            throw .badTensor(file: path, tensor: name, reason: "has \(rank) dimensions, not 1 to \(greatestRank)")
        }
        var shape: [Int] = []
        for _ in 0..<rank {
            let raw = try reader.integer(UInt64.self, of: part)
            guard let size = Int(exactly: raw), size > 0 else {
                throw .badTensor(file: path, tensor: name, reason: "has a dimension of \(raw)")
            }
            shape.append(size)
        }
        // The file names the fastest dimension first.
        shape.reverse()
        let identifier = try reader.integer(UInt32.self, of: part)
        guard let type = ElementType(gguf: identifier) else {
            let found = ElementType.unsupportedName(gguf: identifier) ?? "the unknown number \(identifier)"
            throw .badTensor(
                file: path, tensor: name,
                reason: "has the type \(found), which is not supported; choose another quantisation, such as Q4_K_M")
        }
        guard let byteCount = type.byteCount(shape: shape) else {
            throw .badTensor(
                file: path, tensor: name,
                reason: "has the shape \(shape), which is too large or no whole number of \(type.name) blocks")
        }
        let offset = try reader.integer(UInt64.self, of: part)
        return Entry(name: name, type: type, shape: shape, byteCount: byteCount, offset: offset)
    }

    /// Finds each tensor's bytes. Tensors follow one another in the order of their entries, each padded to the
    /// alignment, as every writer lays them out: so none overlaps another and none lies outside of the file.
    private static func place(
        _ entries: [Entry], after header: Int, alignment: Int, in file: MappedFile
    ) throws(ModelFileError) -> [TensorView] {
        guard !entries.isEmpty else { return [] }
        guard let start = padded(header, to: alignment), start <= file.byteCount else {
            throw .truncated(file: file.path, part: "the header")
        }
        var views: [TensorView] = []
        views.reserveCapacity(entries.count)
        var next = 0
        for entry in entries {
            guard entry.offset == UInt64(next) else {
                throw .badTensor(
                    file: file.path, tensor: entry.name, reason: "begins at offset \(entry.offset) instead of \(next)")
            }
            guard next <= file.byteCount - start, entry.byteCount <= file.byteCount - start - next else {
                throw .truncated(file: file.path, part: "tensor \(ModelFileError.quoted(entry.name))")
            }
            let first = start + next, end = first + entry.byteCount
            views.append(
                TensorView(
                    name: entry.name, elementType: entry.type, shape: entry.shape, file: file, byteRange: first..<end))
            guard let after = padded(next + entry.byteCount, to: alignment) else {
                throw .truncated(file: file.path, part: "tensor \(ModelFileError.quoted(entry.name))")
            }
            next = after
        }
        return views
    }

    private static func padded(_ offset: Int, to alignment: Int) -> Int? {
        let (sum, overflows) = offset.addingReportingOverflow(alignment - 1)
        return overflows ? nil : sum / alignment * alignment
    }
}
