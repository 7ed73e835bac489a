// The key-value pairs of a GGUF file.

/// A metadata value. Widths of numbers are forgotten: no reader cares.
public indirect enum GGUFValue: Sendable, Equatable {
    case integer(Int64)
    case number(Double)
    case bool(Bool)
    case string(String)
    case integers([Int64])
    case numbers([Double])
    case bools([Bool])
    case strings([String])
    case arrays([GGUFValue])
}

/// Metadata with typed access: nil for a missing key, an error that names the key for a value of another type.
public struct GGUFMetadata: Sendable {
    public let fileName: String
    private var values: [String: GGUFValue] = [:]

    init(fileName: String) {
        self.fileName = fileName
    }

    public var keys: [String] { values.keys.sorted() }
    public subscript(key: String) -> GGUFValue? { values[key] }

    /// - Returns: Whether the key is new; otherwise nothing changes.
    mutating func insert(_ key: String, _ value: GGUFValue) -> Bool {
        guard values[key] == nil else { return false }
        values[key] = value
        return true
    }

    public func string(_ key: String) throws(ModelFileError) -> String? {
        guard let value = values[key] else { return nil }
        guard case .string(let string) = value else { throw wrongType(key, "a string") }
        return string
    }

    public func integer(_ key: String) throws(ModelFileError) -> Int? {
        guard let value = values[key] else { return nil }
        guard case .integer(let integer) = value else { throw wrongType(key, "an integer") }
        return Int(integer)
    }

    /// A number, integers included.
    public func number(_ key: String) throws(ModelFileError) -> Double? {
        switch values[key] {
        case nil: return nil
        case .number(let number): return number
        case .integer(let integer): return Double(integer)
        default: throw wrongType(key, "a number")
        }
    }

    public func bool(_ key: String) throws(ModelFileError) -> Bool? {
        guard let value = values[key] else { return nil }
        guard case .bool(let bool) = value else { throw wrongType(key, "true or false") }
        return bool
    }

    public func strings(_ key: String) throws(ModelFileError) -> [String]? {
        guard let value = values[key] else { return nil }
        guard case .strings(let strings) = value else { throw wrongType(key, "an array of strings") }
        return strings
    }

    public func integers(_ key: String) throws(ModelFileError) -> [Int64]? {
        guard let value = values[key] else { return nil }
        guard case .integers(let integers) = value else { throw wrongType(key, "an array of integers") }
        return integers
    }

    public func numbers(_ key: String) throws(ModelFileError) -> [Double]? {
        guard let value = values[key] else { return nil }
        guard case .numbers(let numbers) = value else { throw wrongType(key, "an array of numbers") }
        return numbers
    }

    /// A value that must be there: `try metadata.require("llama.block_count", metadata.integer)`.
    public func require<Value>(
        _ key: String, _ read: (String) throws(ModelFileError) -> Value?
    ) throws(ModelFileError) -> Value {
        guard let value = try read(key) else { throw .missingKey(file: fileName, key: key, architecture: nil) }
        return value
    }

    private func wrongType(_ key: String, _ expected: String) -> ModelFileError {
        .badValue(file: fileName, key: key, reason: "must be \(expected)")
    }
}
