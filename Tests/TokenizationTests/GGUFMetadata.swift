// A reader of GGUF metadata, just enough to take vocabularies out of real files.

import Tokenization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The `tokenizer.ggml.*` fields of a file. Wants well-formed files and throws at anything else.
struct GGUFMetadata {
    enum Failure: Error, CustomStringConvertible {
        case missing(String)
        case malformed(String)

        var description: String {
            switch self {
            case .missing(let path):
                "\(path) is missing: run tools/fetch-template-corpus.sh, tools/fetch-model.sh and "
                    + "tools/fetch-model.sh qwen-0.5b"
            case .malformed(let path): "\(path) is not a GGUF file that this test can read"
            }
        }
    }

    private enum Value {
        case number(Double)
        case text(String)
        case numbers([Double])
        case texts([String])
    }

    private var fields: [String: Value] = [:]

    /// - Parameter name: a path within the cache folder of the project.
    static func vocabulary(_ name: String) throws -> GGUFVocabulary {
        try GGUFMetadata(path: path(name)).vocabulary()
    }

    static func path(_ name: String) -> String {
        let cache =
            getenv("PAGODA_CACHE").map { String(cString: $0) }
            ?? (getenv("HOME").map { String(cString: $0) } ?? "") + "/.cache/pagoda"
        return "\(cache)/\(name)"
    }

    private init(path: String) throws {
        // The metadata of the largest vocabulary here takes 6 MB.
        guard let bytes = readFile(path, limit: 12 << 20) else { throw Failure.missing(path) }
        var cursor = Cursor(bytes: bytes)
        guard cursor.bytes.starts(with: "GGUF".utf8) else { throw Failure.malformed(path) }
        cursor.position = 16
        let count = cursor.integer(8)
        for _ in 0..<count {
            let key = cursor.text()
            guard let value = Self.value(&cursor, type: cursor.integer(4)) else { throw Failure.malformed(path) }
            if key.hasPrefix("tokenizer.ggml.") { fields[key] = value }
        }
    }

    private struct Cursor {
        let bytes: [UInt8]
        var position = 0

        mutating func integer(_ width: Int) -> Int {
            var value: UInt64 = 0
            for offset in 0..<width { value |= UInt64(bytes[position + offset]) << UInt64(offset * 8) }
            position += width
            return Int(truncatingIfNeeded: value)
        }

        mutating func text() -> String {
            let count = integer(8)
            defer { position += count }
            return String(decoding: bytes[position..<(position + count)], as: UTF8.self)
        }
    }

    private static func value(_ cursor: inout Cursor, type: Int) -> Value? {
        if type == 8 { return .text(cursor.text()) }
        guard type == 9 else { return number(&cursor, type: type).map(Value.number) }
        let elementType = cursor.integer(4)
        let count = cursor.integer(8)
        if elementType == 8 { return .texts((0..<count).map { _ in cursor.text() }) }
        return .numbers((0..<count).compactMap { _ in number(&cursor, type: elementType) })
    }

    private static func number(_ cursor: inout Cursor, type: Int) -> Double? {
        switch type {
        case 0, 7: Double(cursor.integer(1))
        case 1: Double(Int8(truncatingIfNeeded: cursor.integer(1)))
        case 2: Double(cursor.integer(2))
        case 3: Double(Int16(truncatingIfNeeded: cursor.integer(2)))
        case 4: Double(cursor.integer(4))
        case 5: Double(Int32(truncatingIfNeeded: cursor.integer(4)))
        case 6: Double(Float(bitPattern: UInt32(truncatingIfNeeded: cursor.integer(4))))
        case 10, 11: Double(cursor.integer(8))
        case 12: Double(bitPattern: UInt64(bitPattern: Int64(cursor.integer(8))))
        default: nil
        }
    }

    private func number(_ key: String) -> Double? {
        if case .number(let value)? = fields["tokenizer.ggml.\(key)"] { value } else { nil }
    }

    private func text(_ key: String) -> String? {
        if case .text(let value)? = fields["tokenizer.ggml.\(key)"] { value } else { nil }
    }

    private func texts(_ key: String) -> [String] {
        if case .texts(let value)? = fields["tokenizer.ggml.\(key)"] { value } else { [] }
    }

    private func numbers(_ key: String) -> [Double] {
        if case .numbers(let value)? = fields["tokenizer.ggml.\(key)"] { value } else { [] }
    }

    private func vocabulary() -> GGUFVocabulary {
        var vocabulary = GGUFVocabulary(
            model: text("model") ?? "", preTokenizer: text("pre"), tokens: texts("tokens"))
        vocabulary.scores = numbers("scores").map { Float($0) }
        vocabulary.tokenTypes = numbers("token_type").map { Int32($0) }
        vocabulary.merges = texts("merges")
        vocabulary.bosID = number("bos_token_id").map { Int($0) }
        vocabulary.eosID = number("eos_token_id").map { Int($0) }
        vocabulary.unknownID = number("unknown_token_id").map { Int($0) }
        vocabulary.padID = number("padding_token_id").map { Int($0) }
        vocabulary.addsBOS = number("add_bos_token").map { $0 != 0 }
        vocabulary.addsEOS = number("add_eos_token").map { $0 != 0 }
        vocabulary.addsSpacePrefix = number("add_space_prefix").map { $0 != 0 }
        return vocabulary
    }
}

/// Up to `limit` bytes from the start of a file; nil if it cannot be opened.
func readFile(_ path: String, limit: Int = .max) -> [UInt8]? {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    let count = min(ftell(file), limit)
    rewind(file)
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
        used = fread(buffer.baseAddress, 1, count, file)
    }
}
