// The bytes of a GGUF header, one bounded piece after another.

/// A cursor over a mapped file. Nothing is allocated before the bytes for it are known to be there.
struct GGUFReader {
    let file: MappedFile
    private(set) var position = 0
    /// Elements that arrays of this file may still have together: a byte of the file may become sixteen in memory.
    private var elementBudget = 1 << 25

    static let longestKeyBytes = 64 << 10
    static let longestStringBytes = 64 << 20
    private static let deepestArray = 4

    init(file: MappedFile) {
        self.file = file
    }

    /// Kinds of values, numbered as in the file.
    enum ValueType: UInt32 {
        case uint8 = 0, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

        /// The fewest bytes that a value takes.
        var leastBytes: Int {
            switch self {
            case .uint8, .int8, .bool: 1
            case .uint16, .int16: 2
            case .uint32, .int32, .float32: 4
            case .uint64, .int64, .float64, .string: 8
            case .array: 12
            }
        }
    }

    var remaining: Int { file.byteCount - position }

    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, of part: @autoclosure () -> String
    ) throws(ModelFileError) -> Value {
        guard let value = file.integer(at: position, as: type) else {
            throw .truncated(file: file.path, part: part())
        }
        position += MemoryLayout<Value>.size
        return value
    }

    /// A number of items of which each takes at least `leastBytes`: more than the file can hold is refused.
    mutating func count(leastBytes: Int, of part: @autoclosure () -> String) throws(ModelFileError) -> Int {
        let raw = try integer(UInt64.self, of: part())
        guard let count = Int(exactly: raw), count <= remaining / leastBytes else {
            throw .truncated(file: file.path, part: "\(part()), said to be \(raw)")
        }
        return count
    }

    /// A name of 1 to `longest` bytes of UTF-8.
    mutating func name(longest: Int, of part: @autoclosure () -> String) throws(ModelFileError) -> String {
        let length = try count(leastBytes: 1, of: part())
        guard (1...longest).contains(length) else {
            throw .malformed(file: file.path, reason: "\(part()) has \(length) bytes, not 1 to \(longest)")
        }
        guard let text = file.text(position..<position + length) else {
            throw .malformed(file: file.path, reason: "\(part()) is not UTF-8")
        }
        position += length
        return text
    }

    // MARK: - Values

    mutating func valueType(of key: String) throws(ModelFileError) -> ValueType {
        let raw = try integer(UInt32.self, of: "the type of \(ModelFileError.quoted(key))")
        guard let type = ValueType(rawValue: raw) else {
            throw .badValue(file: file.path, key: key, reason: "has the unknown value type \(raw)")
        }
        return type
    }

    mutating func value(of key: String) throws(ModelFileError) -> GGUFValue {
        let type = try valueType(of: key)
        switch type {
        case .bool: return .bool(try bool(key))
        case .string: return .string(try string(key))
        case .float32, .float64: return .number(try number(type, key))
        case .array: return try array(key, depth: 1)
        default: return .integer(try integer(type, key))
        }
    }

    private mutating func array(_ key: String, depth: Int) throws(ModelFileError) -> GGUFValue {
        guard depth <= Self.deepestArray else {
            throw .badValue(file: file.path, key: key, reason: "has arrays deeper than \(Self.deepestArray) levels")
        }
        let type = try valueType(of: key)
        let count = try count(leastBytes: type.leastBytes, of: "the array \(ModelFileError.quoted(key))")
        elementBudget -= count
        guard elementBudget >= 0 else {
            throw .badValue(file: file.path, key: key, reason: "has more elements than a vocabulary can need")
        }
        switch type {
        case .bool:
            return .bools(try elements(count) { (reader) throws(ModelFileError) in try reader.bool(key) })
        case .string:
            return .strings(try elements(count) { (reader) throws(ModelFileError) in try reader.string(key) })
        case .float32, .float64:
            return .numbers(try elements(count) { (reader) throws(ModelFileError) in try reader.number(type, key) })
        case .array:
            return .arrays(
                try elements(count) { (reader) throws(ModelFileError) in try reader.array(key, depth: depth + 1) })
        default:
            return .integers(try elements(count) { (reader) throws(ModelFileError) in try reader.integer(type, key) })
        }
    }

    private mutating func elements<Element>(
        _ count: Int, _ read: (inout GGUFReader) throws(ModelFileError) -> Element
    ) throws(ModelFileError) -> [Element] {
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try read(&self)) }
        return elements
    }

    private mutating func bool(_ key: String) throws(ModelFileError) -> Bool {
        switch try integer(UInt8.self, of: ModelFileError.quoted(key)) {
        case 0: return false
        case 1: return true
        case let byte: throw .badValue(file: file.path, key: key, reason: "is a truth value of \(byte)")
        }
    }

    /// Text that need not be UTF-8, as a description may have been cut within a character: bad bytes become U+FFFD.
    private mutating func string(_ key: String) throws(ModelFileError) -> String {
        let length = try count(leastBytes: 1, of: "the string \(ModelFileError.quoted(key))")
        guard length <= Self.longestStringBytes else {
            throw .badValue(file: file.path, key: key, reason: "is longer than \(Self.longestStringBytes) bytes")
        }
        let text = file.withBytes(position..<position + length) { String(decoding: $0, as: UTF8.self) }
        position += length
        return text
    }

    private mutating func number(_ type: ValueType, _ key: String) throws(ModelFileError) -> Double {
        if type == .float64 { return Double(bitPattern: try integer(UInt64.self, of: ModelFileError.quoted(key))) }
        return Double(Float(bitPattern: try integer(UInt32.self, of: ModelFileError.quoted(key))))
    }

    private mutating func integer(_ type: ValueType, _ key: String) throws(ModelFileError) -> Int64 {
        switch type {
        case .uint8: return Int64(try integer(UInt8.self, of: ModelFileError.quoted(key)))
        case .int8: return Int64(try integer(Int8.self, of: ModelFileError.quoted(key)))
        case .uint16: return Int64(try integer(UInt16.self, of: ModelFileError.quoted(key)))
        case .int16: return Int64(try integer(Int16.self, of: ModelFileError.quoted(key)))
        case .uint32: return Int64(try integer(UInt32.self, of: ModelFileError.quoted(key)))
        case .int32: return Int64(try integer(Int32.self, of: ModelFileError.quoted(key)))
        case .int64: return try integer(Int64.self, of: ModelFileError.quoted(key))
        default:
            let value = try integer(UInt64.self, of: ModelFileError.quoted(key))
            guard let signed = Int64(exactly: value) else {
                throw .badValue(file: file.path, key: key, reason: "is the integer \(value), which is out of range")
            }
            return signed
        }
    }
}
