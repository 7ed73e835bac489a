// Typed look-ups in a request's JSON, each of which names the field when it fails.

import JSON

/// The members of one object of a request. A null member counts as not given.
///
/// As with pydantic, numbers may come as numeric strings ("0.7"), and flags as 0, 1, "true" and "false". Unlike
/// pydantic, a boolean is no number: no client means `"n": true`.
struct RequestFields {
    private let object: JSONObject
    /// What stands before the name of a member when an error names it: empty, or `stream_options.`.
    private let path: String

    init(_ json: JSONValue) throws(RequestError) {
        guard case .object(let object) = json else {
            throw RequestError(.malformed, "The request body must be a JSON object.")
        }
        self.init(object, path: "")
    }

    init(_ object: JSONObject, path: String) {
        self.object = object
        self.path = path
    }

    func value(_ name: String) -> JSONValue? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    /// Whether the member was written out, null included.
    func contains(_ name: String) -> Bool {
        object[name] != nil
    }

    func malformed(_ name: String, _ sentence: String) -> RequestError {
        RequestError(.malformed, "`\(path)\(name)` \(sentence)", param: path + name)
    }

    func invalid(_ name: String, _ sentence: String) -> RequestError {
        RequestError(.invalid, "`\(path)\(name)` \(sentence)", param: path + name)
    }

    // MARK: - Single values

    func flag(_ name: String, default: Bool = false) throws(RequestError) -> Bool {
        try optionalFlag(name) ?? `default`
    }

    func optionalFlag(_ name: String) throws(RequestError) -> Bool? {
        guard let value = value(name) else { return nil }
        switch value {
        case true, 1, "true": return true
        case false, 0, "false": return false
        default: throw malformed(name, "must be true or false.")
        }
    }

    func string(_ name: String) throws(RequestError) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.stringValue else { throw malformed(name, "must be a string.") }
        return text
    }

    /// A string that ends up in logs and keys, so that its length is limited (in Unicode scalars).
    func name(_ name: String, limit: Int) throws(RequestError) -> String? {
        guard let text = try string(name) else { return nil }
        guard text.unicodeScalars.count <= limit else { throw invalid(name, "must have at most \(limit) characters.") }
        return text
    }

    /// - Parameter allowed: The rest of the sentence that begins with "must be".
    func number(_ name: String, allowed: String, _ isAllowed: (Double) -> Bool) throws(RequestError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = value.lenientNumber?.doubleValue else { throw malformed(name, "must be a number.") }
        guard isAllowed(number) else { throw invalid(name, "must be \(allowed), got \(number).") }
        return number
    }

    /// A whole number of 64 bits; `1.0` is one, `1.5` is not.
    func integer(
        _ name: String, allowed: String = "an integer", _ isAllowed: (Int64) -> Bool = { _ in true }
    ) throws(RequestError) -> Int64? {
        guard let value = value(name) else { return nil }
        guard let number = value.lenientNumber?.integerValue else {
            throw malformed(name, "must be an integer of at most 64 bits.")
        }
        guard isAllowed(number) else { throw invalid(name, "must be \(allowed), got \(number).") }
        return number
    }

    /// A whole number that counts something.
    func count(_ name: String, in range: ClosedRange<Int>, allowed: String? = nil) throws(RequestError) -> Int? {
        let sentence = allowed ?? "in [\(range.lowerBound), \(range.upperBound)]"
        return try integer(name, allowed: sentence) { range.contains(Int($0)) }.map { Int($0) }
    }

    // MARK: - Compound values

    func object(_ name: String) throws(RequestError) -> JSONObject? {
        guard let value = value(name) else { return nil }
        guard let object = value.objectValue else { throw malformed(name, "must be an object.") }
        return object
    }

    func array(_ name: String) throws(RequestError) -> [JSONValue]? {
        guard let value = value(name) else { return nil }
        guard let elements = value.arrayValue else { throw malformed(name, "must be an array.") }
        return elements
    }

    func strings(_ name: String) throws(RequestError) -> [String]? {
        guard let elements = try array(name) else { return nil }
        var strings: [String] = []
        for element in elements {
            guard let text = element.stringValue else { throw malformed(name, "must hold only strings.") }
            strings.append(text)
        }
        return strings
    }

    func tokens(_ name: String) throws(RequestError) -> [Int32]? {
        guard let elements = try array(name) else { return nil }
        return try tokens(elements, of: name)
    }

    /// Token ids need the vocabulary for their upper bound; here they only have to fit the type.
    func tokens(_ elements: [JSONValue], of name: String) throws(RequestError) -> [Int32] {
        var tokens: [Int32] = []
        tokens.reserveCapacity(elements.count)
        for element in elements {
            guard let id = element.integerValue else { throw malformed(name, "must hold only integers.") }
            guard let token = Int32(exactly: id), token >= 0 else {
                throw invalid(name, "holds \(id), which is not the id of a token.")
            }
            tokens.append(token)
        }
        return tokens
    }

    /// One of a few words.
    func word<Word: RawRepresentable & CaseIterable>(
        _ name: String, as type: Word.Type = Word.self
    ) throws(RequestError) -> Word? where Word.RawValue == String {
        guard let text = try string(name) else { return nil }
        guard let word = Word(rawValue: text) else {
            let words = Word.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
            throw malformed(name, "must be one of \(words).")
        }
        return word
    }
}

extension JSONValue {
    /// The value, or the number that a string spells.
    fileprivate var lenientNumber: JSONValue? {
        switch self {
        case .integer, .number: self
        case .string(let text): try? JSONParser.parse(text, limits: JSONLimits(sizeBytes: 64))
        default: nil
        }
    }
}
