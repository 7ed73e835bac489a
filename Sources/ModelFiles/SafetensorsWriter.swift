// Writes the weights of a Hugging Face folder: model.safetensors, or shards with an index. Format: the safetensors
// documentation.

internal import JSON

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A tensor that is to be written.
public struct TensorDescription: Sendable, Equatable {
    public let name: String
    public let elementType: ElementType
    public let shape: [Int]

    public init(name: String, elementType: ElementType, shape: [Int]) {
        self.name = name
        self.elementType = elementType
        self.shape = shape
    }
}

/// Writes tensors that are known beforehand by name and shape, in whatever order they become ready: nothing is kept in
/// memory.
public final class SafetensorsWriter {
    private let fileNames: [String]
    private var files: [OutputFile] = []
    private var places: [String: Place] = [:]
    private let folder: String

    private static let indexName = "model.safetensors.index.json"

    private struct Place {
        let file: Int
        let offset: Int
        let byteCount: Int
        var isWritten = false
    }

    /// Makes the files, with headers and room for all tensors.
    ///
    /// - Parameters:
    ///   - tensors: Of different names; they stand in the files in this order, but for larger elements being first.
    ///   - shardBytes: A file that would hold more is cut, between tensors.
    ///   - willMake: Told the name of each file before it is made.
    public init(
        folder: String, tensors: [TensorDescription], shardBytes: Int, willMake: (String) -> Void = { _ in }
    ) throws(ModelFileError) {
        let shards = try Self.shards(of: tensors, shardBytes: shardBytes, folder: folder)
        self.folder = folder
        if shards.count == 1 {
            fileNames = ["model.safetensors"]
        } else {
            fileNames = shards.indices.map {
                "model-\(Self.fiveDigits($0 + 1))-of-\(Self.fiveDigits(shards.count)).safetensors"
            }
        }
        for (index, shard) in shards.enumerated() {
            willMake(fileNames[index])
            try make(shard, file: index)
        }
        if shards.count > 1 {
            willMake(Self.indexName)
            try writeIndex()
        }
    }

    /// Writes the elements of a tensor, little-endian and row-major.
    public func write(_ bytes: RawSpan, to name: String) throws(ModelFileError) {
        guard let place = places[name], place.byteCount == bytes.byteCount, !place.isWritten else {
            throw .badTensor(
                file: folder, tensor: name, reason: "is not to be written with \(bytes.byteCount) bytes, or once more")
        }
        try files[place.file].write(bytes, at: place.offset)
        places[name]?.isWritten = true
    }

    /// Puts everything on the disk; all tensors have been written.
    public func finish() throws(ModelFileError) {
        if let missing = places.first(where: { !$0.value.isWritten })?.key {
            throw .badTensor(file: folder, tensor: missing, reason: "has not been written")
        }
        for file in files { try file.synchronize() }
    }

    // MARK: - Layout

    private static func shards(
        of tensors: [TensorDescription], shardBytes: Int, folder: String
    ) throws(ModelFileError) -> [[(tensor: TensorDescription, byteCount: Int)]] {
        var shards: [[(tensor: TensorDescription, byteCount: Int)]] = [[]]
        var filled = 0, names: Set<String> = []
        for tensor in tensors {
            guard let byteCount = tensor.elementType.byteCount(shape: tensor.shape),
                names.insert(tensor.name).inserted, tensor.elementType.blockElements == 1
            else {
                throw .badTensor(file: folder, tensor: tensor.name, reason: "cannot be laid out as \(tensor.shape)")
            }
            if filled > 0, byteCount > shardBytes - filled {
                shards.append([])
                filled = 0
            }
            shards[shards.count - 1].append((tensor, byteCount))
            let (sum, overflow) = filled.addingReportingOverflow(byteCount)
            guard !overflow else {
                throw .badTensor(file: folder, tensor: tensor.name, reason: "is too large")
            }
            filled = sum
        }
        return shards
    }

    private func make(
        _ shard: [(tensor: TensorDescription, byteCount: Int)], file index: Int
    ) throws(ModelFileError) {
        // Larger elements first: every tensor is aligned to its elements then.
        let ordered = shard.enumerated().sorted { left, right in
            let sizes = (left.element.tensor.elementType.blockBytes, right.element.tensor.elementType.blockBytes)
            return sizes.0 == sizes.1 ? left.offset < right.offset : sizes.0 > sizes.1
        }.map(\.element)
        var header = JSONObject()
        header["__metadata__"] = ["format": "pt"]
        var end = 0
        for (tensor, byteCount) in ordered {
            header[tensor.name] = [
                "dtype": .string(tensor.elementType.name),
                "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
                "data_offsets": [.integer(Int64(end)), .integer(Int64(end + byteCount))],
            ]
            end += byteCount
        }
        var bytes = JSONValue.object(header).serializedBytes()
        while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
        let file = try OutputFile(path: folder + "/" + fileNames[index])
        files.append(file)
        let start = 8 + bytes.count
        try file.reserve(start + end)
        try file.write((0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes, at: 0)
        var offset = start
        for (tensor, byteCount) in ordered {
            places[tensor.name] = Place(file: index, offset: offset, byteCount: byteCount)
            offset += byteCount
        }
    }

    private func writeIndex() throws(ModelFileError) {
        var map = JSONObject()
        for name in places.keys.sorted() { map[name] = places[name].map { .string(fileNames[$0.file]) } }
        let total = places.values.reduce(0) { $0 + $1.byteCount }
        let index: JSONValue = ["metadata": ["total_size": .integer(Int64(total))], "weight_map": .object(map)]
        let file = try OutputFile(path: folder + "/" + Self.indexName)
        try file.write(index.serializedBytes(style: .python(indentation: 2)) + [UInt8(ascii: "\n")], at: 0)
    }

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}

/// A new file, written at any place.
final class OutputFile {
    let path: String
    private let descriptor: Int32

    /// Refuses a path at which there is something.
    init(path: String) throws(ModelFileError) {
        guard !path.utf8.contains(0) else { throw .cannotWrite(file: path, reason: "the path holds a NUL byte") }
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        self.path = path
        guard descriptor >= 0 else { throw .cannotWrite(file: path, reason: MappedFile.lastError()) }
    }

    deinit {
        close(descriptor)
    }

    /// Room for `size` bytes, so that a full disk is known before the work.
    func reserve(_ size: Int) throws(ModelFileError) {
        let error = posix_fallocate(descriptor, 0, size)
        guard error == 0 else {
            throw .cannotWrite(file: path, reason: strerror(error).map { String(cString: $0) } ?? "error \(error)")
        }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(ModelFileError) {
        try write(bytes.span.bytes, at: offset)
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(ModelFileError) {
        try bytes.withUnsafeBytes { bytes throws(ModelFileError) in
            var left = bytes[...], offset = offset
            while !left.isEmpty {
                let count = pwrite(descriptor, UnsafeRawBufferPointer(rebasing: left).baseAddress, left.count, offset)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw .cannotWrite(file: path, reason: MappedFile.lastError()) }
                left = left.dropFirst(count)
                offset += count
            }
        }
    }

    func synchronize() throws(ModelFileError) {
        guard fsync(descriptor) == 0 else { throw .cannotWrite(file: path, reason: MappedFile.lastError()) }
    }
}
