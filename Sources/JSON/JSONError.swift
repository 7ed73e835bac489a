// Why some bytes are not the JSON document that was expected.

/// What is wrong with a document, and where.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Reason: Equatable, Sendable {
        case empty
        case byteOrderMark
        case unexpectedEnd
        case unexpectedByte(UInt8, expected: String)
        case trailingText
        case invalidUTF8
        case invalidEscape
        case loneSurrogate
        case controlCharacter(UInt8)
        case invalidNumber
        case numberTooLong(limit: Int)
        case tooDeep(limit: Int)
        case tooManyValues(limit: Int)
        case tooLarge(limitBytes: Int)
        case duplicateKey
    }

    public let reason: Reason
    /// Position in the document, in bytes from its start.
    public let offset: Int

    public init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    public var description: String { "\(sentence) (at byte \(offset))" }

    private var sentence: String {
        switch reason {
        case .empty: "The JSON document is empty"
        case .byteOrderMark: "JSON must not start with a byte order mark"
        case .unexpectedEnd: "The JSON document ends too early"
        case .unexpectedByte(let byte, let expected): "Expected \(expected) but found \(Self.name(of: byte))"
        case .trailingText: "There is text after the end of the JSON document"
        case .invalidUTF8: "A string is not valid UTF-8"
        case .invalidEscape: "A string holds an escape sequence that JSON does not know"
        case .loneSurrogate: "A string holds an escaped surrogate without its other half"
        case .controlCharacter(let byte): "A string holds \(Self.name(of: byte)), which must be escaped"
        case .invalidNumber: "A number is not written as JSON wants it"
        case .numberTooLong(let limit): "A number has more than \(limit) characters"
        case .tooDeep(let limit): "The nesting is deeper than \(limit) levels"
        case .tooManyValues(let limit): "The document holds more than \(limit) values"
        case .tooLarge(let limit): "The document is larger than \(limit) bytes"
        case .duplicateKey: "An object holds the same key twice"
        }
    }

    private static func name(of byte: UInt8) -> String {
        if (0x21...0x7E).contains(byte) { return "'\(Unicode.Scalar(byte))'" }
        let digits = String(byte, radix: 16, uppercase: true)
        return "byte 0x" + (digits.count < 2 ? "0" : "") + digits
    }
}

/// How large a document may be: memory and stack are bounded before the first value is made.
public struct JSONLimits: Sendable, Equatable {
    /// Levels of arrays and objects within each other; 1 allows `[1]` but not `[[1]]`.
    public var depth: Int
    /// Values in the document, containers included.
    public var valueCount: Int
    public var sizeBytes: Int
    /// For formats in which a key that comes twice must not depend on which of them a reader takes.
    public var rejectsDuplicateKeys: Bool

    /// The parser recurses, so no limit beyond this is honoured: it fits the smallest stack of a thread.
    public static let greatestDepth = 512

    /// For what a client sends, unless told otherwise.
    public init(
        depth: Int = 64, valueCount: Int = 1_000_000, sizeBytes: Int = 32 << 20, rejectsDuplicateKeys: Bool = false
    ) {
        self.depth = min(depth, Self.greatestDepth)
        self.valueCount = valueCount
        self.sizeBytes = sizeBytes
        self.rejectsDuplicateKeys = rejectsDuplicateKeys
    }

    /// For files that belong to a model: a vocabulary alone holds hundreds of thousands of values.
    public static let file = JSONLimits(depth: 256, valueCount: 20_000_000, sizeBytes: 512 << 20)
}
