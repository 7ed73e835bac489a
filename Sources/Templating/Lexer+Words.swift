// Names, numbers, strings and operators within a tag.

extension Lexer {
    /// The word at the position, which is not whitespace.
    mutating func readWord() throws(TemplateError) -> Token.Kind {
        guard let byte = peek() else { return .end }
        switch byte {
        case UInt8(ascii: "'"), UInt8(ascii: "\""): return .string(try readString(quote: byte))
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return try readNumber()
        default:
            if let name = readName() { return .name(name) }
            for length in [2, 1] {
                let text = String(decoding: source[position..<min(position + length, source.count)], as: UTF8.self)
                guard let symbol = Token.Symbol(rawValue: text) else { continue }
                position += length
                return .symbol(symbol)
            }
            throw .syntax(message: "unexpected character '\(scalar(at: position).scalar)'", line: line)
        }
    }

    private mutating func readName() -> String? {
        var end = position
        while end < source.count {
            let next = scalar(at: end)
            guard next.scalar == "_" || next.scalar.properties.isXIDContinue else { break }
            end = next.end
        }
        guard end > position else { return nil }
        defer { position = end }
        return String(decoding: source[position..<end], as: UTF8.self)
    }

    // MARK: - Numbers

    private mutating func readNumber() throws(TemplateError) -> Token.Kind {
        let start = position
        if peek() == UInt8(ascii: "0"), let radix = Self.radix(of: peek(1)) {
            position += 2
            let digits = readDigits { Character(Unicode.Scalar($0)).hexDigitValue.map { $0 < radix } ?? false }
            guard let value = Int(digits, radix: radix) else {
                throw .syntax(message: "the number is not valid or too large", line: line)
            }
            return .integer(value)
        }
        var digits = readDigits(Self.isDigit)
        let isAfterDot = start > 0 && source[start - 1] == UInt8(ascii: ".")
        var isFloat = false
        if !isAfterDot, peek() == UInt8(ascii: "."), let next = peek(1), Self.isDigit(next) {
            position += 1
            digits += "." + readDigits(Self.isDigit)
            isFloat = true
        }
        if !isAfterDot, let exponent = readExponent() {
            digits += exponent
            isFloat = true
        }
        if isFloat { return .float(Double(digits) ?? 0) }
        guard let value = Int(digits) else { throw .syntax(message: "the number is too large", line: line) }
        guard value == 0 || source[start] != UInt8(ascii: "0") else {
            throw .syntax(message: "a number must not begin with zeros", line: line)
        }
        return .integer(value)
    }

    private mutating func readExponent() -> String? {
        guard peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") else { return nil }
        let hasSign = peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-")
        guard let first = peek(hasSign ? 2 : 1), Self.isDigit(first) else { return nil }
        let sign = peek(1) == UInt8(ascii: "-") ? "-" : ""
        position += hasSign ? 2 : 1
        return "e" + sign + readDigits(Self.isDigit)
    }

    /// Digits, which single underscores may separate.
    private mutating func readDigits(_ isDigit: (UInt8) -> Bool) -> String {
        var digits = ""
        while let byte = peek() {
            if isDigit(byte) {
                digits.unicodeScalars.append(Unicode.Scalar(byte))
            } else if byte != UInt8(ascii: "_") || !(peek(1).map(isDigit) ?? false) {
                break
            }
            position += 1
        }
        return digits
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func radix(of prefix: UInt8?) -> Int? {
        switch prefix {
        case UInt8(ascii: "x"), UInt8(ascii: "X"): 16
        case UInt8(ascii: "o"), UInt8(ascii: "O"): 8
        case UInt8(ascii: "b"), UInt8(ascii: "B"): 2
        default: nil
        }
    }

    // MARK: - Strings

    private mutating func readString(quote: UInt8) throws(TemplateError) -> [UInt8] {
        let startLine = line
        position += 1
        var text: [UInt8] = []
        while let byte = peek() {
            position += 1
            if byte == quote { return text }
            if byte == UInt8(ascii: "\n") { line += 1 }
            if byte == UInt8(ascii: "\\") {
                try readEscape(into: &text)
            } else {
                text.append(byte)
            }
        }
        throw .syntax(message: "a string has no end", line: startLine)
    }

    private mutating func readEscape(into text: inout [UInt8]) throws(TemplateError) {
        guard let byte = peek() else { return }
        position += 1
        switch byte {
        case UInt8(ascii: "\n"): line += 1
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): text.append(byte)
        case UInt8(ascii: "a"): text.append(0x07)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "v"): text.append(0x0B)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "x"): try readScalar(digitCount: 2, into: &text)
        case UInt8(ascii: "u"): try readScalar(digitCount: 4, into: &text)
        case UInt8(ascii: "U"): try readScalar(digitCount: 8, into: &text)
        case UInt8(ascii: "N"): throw .syntax(message: "escapes by a character's name are not supported", line: line)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            var value = UInt32(byte - UInt8(ascii: "0"))
            var count = 1
            while count < 3, let next = peek(), (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(next) {
                value = value * 8 + UInt32(next - UInt8(ascii: "0"))
                position += 1
                count += 1
            }
            if let scalar = Unicode.Scalar(value) { text.append(contentsOf: String(scalar).utf8) }
        default: text.append(contentsOf: [UInt8(ascii: "\\"), byte])
        }
    }

    private mutating func readScalar(digitCount: Int, into text: inout [UInt8]) throws(TemplateError) {
        let end = min(position + digitCount, source.count)
        let digits = String(decoding: source[position..<end], as: UTF8.self)
        guard digits.utf8.count == digitCount, digits.utf8.first != UInt8(ascii: "+"),
            let value = UInt32(digits, radix: 16),
            let scalar = Unicode.Scalar(value)
        else {
            throw .syntax(message: "an escape sequence names no character", line: line)
        }
        position = end
        text.append(contentsOf: String(scalar).utf8)
    }
}
