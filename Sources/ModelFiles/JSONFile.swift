// The JSON files of a checkpoint folder, and members of their objects with checked types and ranges.

internal import JSON

/// An object from a file. A member that is null counts as missing; one of another type is an error that names it.
struct JSONFile {
    let path: String
    let object: JSONObject
    /// Named in the error for a missing key, if known: an unknown model often lacks one.
    var architecture: String?

    /// For configuration files, which are small; a vocabulary needs `JSONLimits.file`.
    static let configurationLimits = JSONLimits(depth: 64, valueCount: 1_000_000, sizeBytes: 16 << 20)

    init(path: String, object: JSONObject, architecture: String? = nil) {
        self.path = path
        self.object = object
        self.architecture = architecture
    }

    init(path: String) throws(ModelFileError) {
        guard case .object(let object) = try Self.read(path, limits: Self.configurationLimits) else {
            throw .malformed(file: path, reason: "it holds no JSON object")
        }
        self.init(path: path, object: object)
    }

    static func read(_ path: String, limits: JSONLimits) throws(ModelFileError) -> JSONValue {
        let bytes = try bytes(of: path, limit: limits.sizeBytes)
        do throws(JSONError) {
            return try JSONParser.parse(bytes, limits: limits)
        } catch {
            throw .invalidJSON(file: path, reason: error)
        }
    }

    static func bytes(of path: String, limit: Int) throws(ModelFileError) -> [UInt8] {
        let file = try MappedFile(path: path)
        guard file.byteCount <= limit, let bytes = file.bytes(0..<file.byteCount) else {
            throw .tooLarge(file: path, limitBytes: limit)
        }
        return bytes
    }

    // MARK: - Members

    func value(_ key: String) -> JSONValue? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    func string(_ key: String) throws(ModelFileError) -> String? {
        guard let value = value(key) else { return nil }
        guard let string = value.stringValue else { throw bad(key, "must be a string") }
        return string
    }

    func bool(_ key: String) throws(ModelFileError) -> Bool? {
        guard let value = value(key) else { return nil }
        guard let bool = value.boolValue else { throw bad(key, "must be true or false") }
        return bool
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(ModelFileError) -> Int? {
        guard let value = value(key) else { return nil }
        guard let integer = value.integerValue.flatMap({ Int(exactly: $0) }), range.contains(integer) else {
            throw bad(key, "must be an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    func number(_ key: String, in range: ClosedRange<Double>) throws(ModelFileError) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.doubleValue, range.contains(number) else {
            throw bad(key, "must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func file(_ key: String) throws(ModelFileError) -> JSONFile? {
        guard let value = value(key) else { return nil }
        guard let object = value.objectValue else { throw bad(key, "must be an object") }
        return JSONFile(path: path, object: object, architecture: architecture)
    }

    /// Token ids given as one integer or a list of them; empty if there are none.
    func tokenIDs(_ key: String, below count: Int) throws(ModelFileError) -> [Int] {
        guard let value = value(key) else { return [] }
        var identifiers: [Int] = []
        for element in value.arrayValue ?? [value] {
            guard let identifier = element.integerValue, identifier >= 0, identifier < count else {
                throw bad(key, "must hold token ids from 0 to \(count - 1)")
            }
            identifiers.append(Int(identifier))
        }
        return identifiers
    }

    func require<Value>(_ key: String, _ value: Value?) throws(ModelFileError) -> Value {
        guard let value else { throw .missingKey(file: path, key: key, architecture: architecture) }
        return value
    }

    func bad(_ key: String, _ reason: String) -> ModelFileError {
        .badValue(file: path, key: key, reason: reason)
    }
}
