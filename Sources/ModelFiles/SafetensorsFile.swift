// One safetensors file: the length of a JSON header, the header, data. Format: the safetensors documentation.

internal import JSON

/// The tensors of one file, whose ranges have been checked to fill its data exactly, without overlap.
struct SafetensorsFile: Sendable {
    let tensors: [TensorView]

    /// As the reference implementation limits it.
    private static let longestHeaderBytes = 100_000_000
    private static let greatestRank = 8
    private static let limits = JSONLimits(
        depth: 4, valueCount: 8_000_000, sizeBytes: longestHeaderBytes, rejectsDuplicateKeys: true)

    init(path: String) throws(ModelFileError) {
        let file = try MappedFile(path: path)
        let (header, start) = try Self.header(of: file)
        var tensors: [TensorView] = []
        for member in header.members where member.key != "__metadata__" {
            tensors.append(try Self.view(member.key, member.value, dataStart: start, in: file))
        }
        tensors.sort { left, right in
            (left.byteRange.lowerBound, left.byteRange.upperBound)
                < (right.byteRange.lowerBound, right.byteRange.upperBound)
        }
        try Self.checkContiguous(tensors, from: start, in: file)
        self.tensors = tensors
    }

    private static func header(of file: MappedFile) throws(ModelFileError) -> (JSONObject, dataStart: Int) {
        guard let raw = file.integer(at: 0, as: UInt64.self) else {
            throw .truncated(file: file.path, part: "the header")
        }
        guard let length = Int(exactly: raw), (2...longestHeaderBytes).contains(length) else {
            throw .malformed(
                file: file.path, reason: "its header is said to have \(raw) bytes, not 2 to \(longestHeaderBytes)")
        }
        guard let bytes = file.bytes(8..<8 + length) else { throw .truncated(file: file.path, part: "the header") }
        guard bytes.first == UInt8(ascii: "{") else {
            throw .malformed(file: file.path, reason: "its header does not begin with '{'")
        }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONParser.parse(bytes, limits: limits)
        } catch {
            throw .invalidJSON(file: file.path, reason: error)
        }
        guard let object = value.objectValue else {
            throw .malformed(file: file.path, reason: "its header is no JSON object")
        }
        return (object, 8 + length)
    }

    private static func view(
        _ name: String, _ entry: JSONValue, dataStart: Int, in file: MappedFile
    ) throws(ModelFileError) -> TensorView {
        func bad(_ reason: String) -> ModelFileError { .badTensor(file: file.path, tensor: name, reason: reason) }
        guard !name.isEmpty else { throw bad("has no name") }
        guard let dtype = entry["dtype"]?.stringValue else { throw bad("has no dtype") }
        guard let type = ElementType(safetensors: dtype) else {
            throw bad("has the dtype \(ModelFileError.quoted(dtype)), which is not supported")
        }
        guard let shape = integers(entry["shape"]), shape.count <= greatestRank else {
            throw bad("has no shape of at most \(greatestRank) sizes")
        }
        guard let offsets = integers(entry["data_offsets"]), offsets.count == 2 else {
            throw bad("has no data_offsets of two positions")
        }
        let begin = offsets[0], end = offsets[1]
        guard begin <= end, end <= file.byteCount - dataStart else {
            throw bad("lies at \(begin)..<\(end) of \(file.byteCount - dataStart) bytes of data")
        }
        guard type.byteCount(shape: shape) == end - begin else {
            throw bad("has \(end - begin) bytes, which \(type.name) of shape \(shape) does not take")
        }
        return TensorView(
            name: name, elementType: type, shape: shape, file: file, byteRange: dataStart + begin..<dataStart + end)
    }

    /// An array of integers that are not negative.
    private static func integers(_ value: JSONValue?) -> [Int]? {
        guard let elements = value?.arrayValue else { return nil }
        let integers = elements.compactMap { $0.integerValue.flatMap { Int(exactly: $0) } }.filter { $0 >= 0 }
        return integers.count == elements.count ? integers : nil
    }

    private static func checkContiguous(
        _ tensors: [TensorView], from start: Int, in file: MappedFile
    ) throws(ModelFileError) {
        var next = start
        for tensor in tensors {
            guard tensor.byteRange.lowerBound == next else {
                throw .badTensor(
                    file: file.path, tensor: tensor.name,
                    reason: "begins at \(tensor.byteRange.lowerBound - start) of the data instead of \(next - start)")
            }
            next = tensor.byteRange.upperBound
        }
        guard next == file.byteCount else {
            throw .malformed(file: file.path, reason: "\(file.byteCount - next) bytes follow the last tensor")
        }
    }
}
