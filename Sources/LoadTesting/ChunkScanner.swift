// Reads from a chunk of a stream the few things a load test needs, without building the whole of it.

/// What one `data:` payload says.
struct StreamChunk: Equatable {
    /// Whether `choices` has an element.
    var hasChoice = false
    /// The first choice's text as it stands between the quotes, escapes and all: positions in the scanned bytes.
    var text: Range<Int>?
    var promptTokenCount: Int?
    var completionTokenCount: Int?
    var hasError = false
}

/// Walks over one JSON object. It shares the server's cores, so it looks at each byte once and allocates nothing.
///
/// It is lenient: what lies in members that don't matter is skipped by its brackets and quotes alone.
struct ChunkScanner {
    private let bytes: [UInt8]
    private var position: Int
    private let end: Int
    private var chunk = StreamChunk()

    /// The chunk in `bytes[range]`; nil if that is no JSON object.
    static func scan(_ bytes: [UInt8], _ range: Range<Int>) -> StreamChunk? {
        var scanner = ChunkScanner(bytes: bytes, position: range.lowerBound, end: range.upperBound)
        let isObject = scanner.members { scanner, key in
            if scanner.matches(key, "choices") { return scanner.choices() }
            if scanner.matches(key, "usage") { return scanner.usage() }
            if scanner.matches(key, "error") { scanner.chunk.hasError = scanner.peek() != UInt8(ascii: "n") }
            return scanner.skipValue()
        }
        return isObject ? scanner.chunk : nil
    }

    private init(bytes: [UInt8], position: Int, end: Int) {
        self.bytes = bytes
        self.position = position
        self.end = end
    }

    // MARK: - What matters

    private mutating func choices() -> Bool {
        guard peek() == UInt8(ascii: "[") else { return skipValue() }
        position += 1
        if peek() == UInt8(ascii: "{") {
            chunk.hasChoice = true
            guard choice() else { return false }
        }
        while peek() == UInt8(ascii: ",") {
            position += 1
            guard skipValue() else { return false }
        }
        guard peek() == UInt8(ascii: "]") else { return false }
        position += 1
        return true
    }

    private mutating func choice() -> Bool {
        members { scanner, key in
            if scanner.matches(key, "text") { return scanner.text() }
            guard scanner.matches(key, "delta") else { return scanner.skipValue() }
            guard scanner.peek() == UInt8(ascii: "{") else { return scanner.skipValue() }
            return scanner.members { scanner, key in
                scanner.matches(key, "content") ? scanner.text() : scanner.skipValue()
            }
        }
    }

    private mutating func text() -> Bool {
        guard peek() == UInt8(ascii: "\"") else { return skipValue() }
        chunk.text = string()
        return chunk.text != nil
    }

    private mutating func usage() -> Bool {
        guard peek() == UInt8(ascii: "{") else { return skipValue() }
        return members { scanner, key in
            if scanner.matches(key, "prompt_tokens") {
                scanner.chunk.promptTokenCount = scanner.count()
            } else if scanner.matches(key, "completion_tokens") {
                scanner.chunk.completionTokenCount = scanner.count()
            }
            return scanner.skipValue()
        }
    }

    // MARK: - JSON

    /// Hands each member's key to `visit`, which must move past the value.
    private mutating func members(_ visit: (inout ChunkScanner, Range<Int>) -> Bool) -> Bool {
        guard peek() == UInt8(ascii: "{") else { return false }
        position += 1
        if peek() == UInt8(ascii: "}") {
            position += 1
            return true
        }
        while peek() == UInt8(ascii: "\"") {
            guard let key = string(), peek() == UInt8(ascii: ":") else { return false }
            position += 1
            guard peek() != nil, visit(&self, key) else { return false }
            let next = peek()
            position += 1
            if next == UInt8(ascii: "}") { return true }
            guard next == UInt8(ascii: ",") else { return false }
        }
        return false
    }

    /// The next byte that is not white space.
    private mutating func peek() -> UInt8? {
        while position < end {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            position += 1
        }
        return nil
    }

    /// Moves past a string and gives what stands between its quotes.
    private mutating func string() -> Range<Int>? {
        position += 1
        let start = position
        while position < end {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                defer { position += 1 }
                return start..<position
            case UInt8(ascii: "\\"): position += 2
            default: position += 1
            }
        }
        return nil
    }

    private mutating func skipValue() -> Bool {
        var depth = 0
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                guard string() != nil else { return false }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { return false }
                depth -= 1
                position += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { return false }
                position += 1
            default:
                skipLiteral()
            }
            if depth == 0 { return true }
        }
        return false
    }

    private mutating func skipLiteral() {
        while position < end {
            switch bytes[position] {
            case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0A, 0x0D, 0x09:
                return
            default: position += 1
            }
        }
    }

    /// A whole number from here on, without moving; nil for anything else.
    private mutating func count() -> Int? {
        guard let first = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return nil }
        var value = 0
        for byte in bytes[position..<end] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { break }
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, carries) = product.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            guard !overflows, !carries else { return nil }
            value = sum
        }
        return value
    }

    private func matches(_ key: Range<Int>, _ name: String) -> Bool {
        key.count == name.utf8.count && name.utf8.elementsEqual(bytes[key])
    }
}
