// Fields of a JSON document, each checked as it is taken.

import JSON

/// An object's members. Each is taken once; what is left at the end is unknown.
struct FieldReader {
    private let members: JSONObject
    private let path: String
    private var taken: Set<String> = []

    init(_ value: JSONValue, at path: String) throws(WorkloadError) {
        guard let object = value.objectValue else { throw .invalidField(path, allowed: "an object") }
        members = object
        self.path = path
    }

    /// The path of a member.
    func name(of field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }

    mutating func value(_ field: String) throws(WorkloadError) -> JSONValue {
        guard let value = optionalValue(field) else { throw .missingField(name(of: field)) }
        return value
    }

    mutating func optionalValue(_ field: String) -> JSONValue? {
        taken.insert(field)
        return members[field]
    }

    /// Throws if something is there that nobody has asked for.
    func finish() throws(WorkloadError) {
        // Few keys: what a set of a handful costs is nothing beside parsing them.
        if let unknown = members.keys.first(where: { !taken.contains($0) }) {
            throw .unknownField(name(of: String(unknown.unicodeScalars.prefix(64))))
        }
    }

    // MARK: - Kinds

    mutating func integer(_ field: String, in range: ClosedRange<Int>) throws(WorkloadError) -> Int {
        try Self.integer(value(field), in: range, at: name(of: field))
    }

    mutating func optionalInteger(_ field: String, in range: ClosedRange<Int>) throws(WorkloadError) -> Int? {
        guard let value = optionalValue(field) else { return nil }
        return try Self.integer(value, in: range, at: name(of: field))
    }

    mutating func number(_ field: String, in range: ClosedRange<Double>) throws(WorkloadError) -> Double {
        try Self.number(value(field), in: range, at: name(of: field))
    }

    mutating func optionalNumber(_ field: String, in range: ClosedRange<Double>) throws(WorkloadError) -> Double? {
        guard let value = optionalValue(field) else { return nil }
        return try Self.number(value, in: range, at: name(of: field))
    }

    mutating func truth(_ field: String) throws(WorkloadError) -> Bool {
        guard let truth = try value(field).boolValue else {
            throw .invalidField(name(of: field), allowed: "true or false")
        }
        return truth
    }

    mutating func text(_ field: String) throws(WorkloadError) -> String {
        guard let text = try value(field).stringValue, (1...WorkloadFormat.nameLimit).contains(text.utf8.count) else {
            throw .invalidField(name(of: field), allowed: "a text of 1 to \(WorkloadFormat.nameLimit) bytes")
        }
        return text
    }

    mutating func list(_ field: String, limit: Int) throws(WorkloadError) -> [JSONValue] {
        try Self.list(value(field), limit: limit, at: name(of: field))
    }

    static func integer(
        _ value: JSONValue, in range: ClosedRange<Int>, at path: String
    ) throws(WorkloadError) -> Int {
        guard let number = value.integerValue, let integer = Int(exactly: number), range.contains(integer) else {
            throw .invalidField(path, allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    static func number(
        _ value: JSONValue, in range: ClosedRange<Double>, at path: String
    ) throws(WorkloadError) -> Double {
        guard let number = value.doubleValue, number.isFinite, range.contains(number) else {
            throw .invalidField(path, allowed: "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    static func list(_ value: JSONValue, limit: Int, at path: String) throws(WorkloadError) -> [JSONValue] {
        guard let list = value.arrayValue, list.count <= limit else {
            throw .invalidField(path, allowed: "a list of at most \(limit)")
        }
        return list
    }
}
