// Bytes to values: RFC 8259 to the letter, within limits.

/// A strict recursive-descent parser.
///
/// Stricter than Python's `json`: no `NaN`, no byte order mark, and a `\u` escape of half a surrogate pair is an error,
/// since no Swift string can hold one (pydantic rejects it one step later). Of duplicate keys the last one wins,
/// unless the limits reject them.
/// Integers that fit 64 bits stay exact; any other number becomes the nearest `Double`, which is infinite beyond its
/// range and zero below: whoever reads a number with a range must check it.
public struct JSONParser {
    private let bytes: [UInt8]
    private let limits: JSONLimits
    private var position = 0
    private var depth = 0
    private var valueCount = 0

    /// Longer literals can't be told apart by a `Double` and would only cost time.
    private static let longestNumber = 4096

    private init(_ bytes: [UInt8], limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    public static func parse(_ bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        guard bytes.count <= limits.sizeBytes else {
            throw JSONError(.tooLarge(limitBytes: limits.sizeBytes), at: limits.sizeBytes)
        }
        guard !bytes.starts(with: [0xEF, 0xBB, 0xBF]) else { throw JSONError(.byteOrderMark, at: 0) }
        var parser = JSONParser(bytes, limits: limits)
        return try parser.parseDocument()
    }

    public static func parse(_ text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        try parse(Array(text.utf8), limits: limits)
    }

    private mutating func parseDocument() throws(JSONError) -> JSONValue {
        skipWhitespace()
        guard position < bytes.count else { throw JSONError(.empty, at: position) }
        let value = try parseValue()
        skipWhitespace()
        guard position == bytes.count else { throw JSONError(.trailingText, at: position) }
        return value
    }

    // MARK: - Values

    private mutating func parseValue() throws(JSONError) -> JSONValue {
        valueCount &+= 1
        guard valueCount <= limits.valueCount else {
            throw JSONError(.tooManyValues(limit: limits.valueCount), at: position)
        }
        switch try peek() {
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "{"): return .object(try parseObject())
        case UInt8(ascii: "["): return .array(try parseArray())
        case UInt8(ascii: "t"): return try parseLiteral("true", as: .bool(true))
        case UInt8(ascii: "f"): return try parseLiteral("false", as: .bool(false))
        case UInt8(ascii: "n"): return try parseLiteral("null", as: .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        case let byte: throw JSONError(.unexpectedByte(byte, expected: "a value"), at: position)
        }
    }

    private mutating func parseLiteral(_ literal: String, as value: JSONValue) throws(JSONError) -> JSONValue {
        for expected in literal.utf8 {
            guard try peek() == expected else {
                throw JSONError(.unexpectedByte(bytes[position], expected: literal), at: position)
            }
            position &+= 1
        }
        return value
    }

    private mutating func parseArray() throws(JSONError) -> [JSONValue] {
        try enter()
        var elements: [JSONValue] = []
        if try !skip(UInt8(ascii: "]")) {
            repeat {
                skipWhitespace()
                elements.append(try parseValue())
            } while try continues(until: UInt8(ascii: "]"), expected: "',' or ']'")
        }
        depth &-= 1
        return elements
    }

    private mutating func parseObject() throws(JSONError) -> JSONObject {
        try enter()
        var object = JSONObject()
        if try !skip(UInt8(ascii: "}")) {
            repeat {
                skipWhitespace()
                guard try peek() == UInt8(ascii: "\"") else {
                    throw JSONError(.unexpectedByte(bytes[position], expected: "a key in quotes"), at: position)
                }
                let keyStart = position
                let key = try parseString()
                if limits.rejectsDuplicateKeys, object[key] != nil { throw JSONError(.duplicateKey, at: keyStart) }
                guard try skip(UInt8(ascii: ":")) else {
                    throw JSONError(.unexpectedByte(bytes[position], expected: "':'"), at: position)
                }
                skipWhitespace()
                object[key] = try parseValue()
            } while try continues(until: UInt8(ascii: "}"), expected: "',' or '}'")
        }
        depth &-= 1
        return object
    }

    /// Consumes the bracket that opens a container.
    private mutating func enter() throws(JSONError) {
        depth &+= 1
        guard depth <= limits.depth else { throw JSONError(.tooDeep(limit: limits.depth), at: position) }
        position &+= 1
    }

    /// After an element: true past a comma, false past the `end` of the container.
    private mutating func continues(until end: UInt8, expected: String) throws(JSONError) -> Bool {
        if try skip(UInt8(ascii: ",")) { return true }
        guard bytes[position] == end else {
            throw JSONError(.unexpectedByte(bytes[position], expected: expected), at: position)
        }
        position &+= 1
        return false
    }

    // MARK: - Bytes

    private func peek() throws(JSONError) -> UInt8 {
        guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
        return bytes[position]
    }

    /// Whether `byte` is next after whitespace; if so it is consumed, if not there is another byte at `position`.
    private mutating func skip(_ byte: UInt8) throws(JSONError) -> Bool {
        skipWhitespace()
        guard try peek() == byte else { return false }
        position &+= 1
        return true
    }

    private mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): position &+= 1
            default: return
            }
        }
    }

    // MARK: - Numbers

    private mutating func parseNumber() throws(JSONError) -> JSONValue {
        let start = position
        let isNegative = bytes[position] == UInt8(ascii: "-")
        if isNegative { position &+= 1 }
        let digits = position
        skipDigits()
        guard position > digits, position == digits + 1 || bytes[digits] != UInt8(ascii: "0") else {
            throw JSONError(.invalidNumber, at: start)
        }
        let integerEnd = position
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position &+= 1
            try expectDigits(of: start)
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position &+= 1
            if position < bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[position]) {
                position &+= 1
            }
            try expectDigits(of: start)
        }
        if position == integerEnd, let value = integer(in: digits..<integerEnd, isNegative: isNegative) {
            return .integer(value)
        }
        guard position - start <= Self.longestNumber else {
            throw JSONError(.numberTooLong(limit: Self.longestNumber), at: start)
        }
        guard let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)) else {
            throw JSONError(.invalidNumber, at: start)
        }
        return .number(value)
    }

    private mutating func skipDigits() {
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            position &+= 1
        }
    }

    private mutating func expectDigits(of start: Int) throws(JSONError) {
        let first = position
        skipDigits()
        guard position > first else { throw JSONError(.invalidNumber, at: start) }
    }

    private func integer(in range: Range<Int>, isNegative: Bool) -> Int64? {
        guard range.count <= 19 else { return nil }
        // Summed below zero, where there is room for one more value than above.
        var value: Int64 = 0
        for index in range {
            let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, borrowed) = product.subtractingReportingOverflow(Int64(bytes[index] - UInt8(ascii: "0")))
            if overflowed || borrowed { return nil }
            value = sum
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }
}

// MARK: - Strings

extension JSONParser {
    /// A string from its opening to its closing quote.
    private mutating func parseString() throws(JSONError) -> String {
        position &+= 1
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let text = try string(from: bytes[start..<position], at: start)
                position &+= 1
                return text
            }
            if byte == UInt8(ascii: "\\") { return try parseEscapedString(from: start) }
            guard byte >= 0x20 else { throw JSONError(.controlCharacter(byte), at: position) }
            position &+= 1
        }
        throw JSONError(.unexpectedEnd, at: position)
    }

    /// The slow way, once an escape has been seen: `start` is the first byte, `position` the first backslash.
    private mutating func parseEscapedString(from start: Int) throws(JSONError) -> String {
        var content = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position &+= 1
                return try string(from: content[...], at: start)
            case UInt8(ascii: "\\"):
                position &+= 1
                try parseEscape(into: &content)
            case 0..<0x20:
                throw JSONError(.controlCharacter(byte), at: position)
            default:
                content.append(byte)
                position &+= 1
            }
        }
        throw JSONError(.unexpectedEnd, at: position)
    }

    private func string(from content: ArraySlice<UInt8>, at start: Int) throws(JSONError) -> String {
        guard let text = String(validating: content, as: UTF8.self) else { throw JSONError(.invalidUTF8, at: start) }
        return text
    }

    private mutating func parseEscape(into content: inout [UInt8]) throws(JSONError) {
        let byte = try peek()
        position &+= 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"): content.append(contentsOf: try parseUnicodeEscape().utf8)
        default: throw JSONError(.invalidEscape, at: position - 1)
        }
    }

    /// One scalar, of one escape or of two that form a surrogate pair; `position` is after the first `\u`.
    private mutating func parseUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let start = position - 2
        let first = try parseHexadecimalUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard UTF16.isLeadSurrogate(first), bytes[position...].starts(with: "\\u".utf8) else {
            throw JSONError(.loneSurrogate, at: start)
        }
        position &+= 2
        let second = try parseHexadecimalUnit()
        guard UTF16.isTrailSurrogate(second) else { throw JSONError(.loneSurrogate, at: start) }
        return UTF16.decode(UTF16.EncodedScalar([first, second]))
    }

    private mutating func parseHexadecimalUnit() throws(JSONError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            let byte = try peek()
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "A") + 10)
            default: throw JSONError(.invalidEscape, at: position)
            }
            position &+= 1
        }
        return unit
    }
}
