// The components that tokenizer.json can be put together from, as far as BPE models use them.

import JSON

extension JSONValue {
    /// The `type` of a component; nil for a component that is not there.
    func componentType(field: String) throws(TokenizerError) -> String? {
        if isNull { return nil }
        guard let type = self["type"]?.stringValue else {
            throw .invalidField(field, expected: "null or an object with a type")
        }
        return type
    }
}

extension Normalizer {
    static func steps(_ json: JSONValue) throws(TokenizerError) -> [Step] {
        switch try json.componentType(field: "normalizer") {
        case nil: return []
        case "NFC"?: return [.composition]
        case "Prepend"?: return [.prepend(Array((json["prepend"]?.stringValue ?? "").utf8))]
        case "Replace"?:
            guard let old = json["pattern"]?["String"]?.stringValue, !old.isEmpty,
                let new = json["content"]?.stringValue
            else { throw .unsupportedComponent(field: "normalizer", value: "Replace of a regular expression") }
            return [.replace(Array(old.utf8), Array(new.utf8))]
        case "Sequence"?:
            var steps: [Step] = []
            for part in json["normalizers"]?.arrayValue ?? [] { steps += try Self.steps(part) }
            return steps
        case let type?: throw .unsupportedComponent(field: "normalizer", value: type)
        }
    }
}

/// A `pre_tokenizer`: how text is cut, and what is put in front of it.
struct HuggingFaceWords {
    private(set) var steps: [PreTokenizer.Step] = []
    private(set) var isByteLevel = false
    private(set) var firstPieceSteps: [Normalizer.Step] = []
    private(set) var pieceSteps: [Normalizer.Step] = []

    init(_ json: JSONValue) throws(TokenizerError) {
        try read(json)
    }

    private mutating func read(_ json: JSONValue) throws(TokenizerError) {
        switch try json.componentType(field: "pre_tokenizer") {
        case nil: break
        case "Sequence"?:
            for part in json["pretokenizers"]?.arrayValue ?? [] { try read(part) }
        case "ByteLevel"?: try readByteLevel(json)
        case "Metaspace"?: try readMetaspace(json)
        case "Digits"?:
            steps.append(try .digits(individually: json["individual_digits"]?.boolValue ?? false))
        case "Split"?: try readSplit(json)
        case let type?: throw .unsupportedComponent(field: "pre_tokenizer", value: type)
        }
    }

    private mutating func readByteLevel(_ json: JSONValue) throws(TokenizerError) {
        if json["add_prefix_space"]?.boolValue ?? true {
            try requireFirst("ByteLevel with add_prefix_space")
            pieceSteps = [.prependUnlessPresent([UInt8(ascii: " ")])]
            firstPieceSteps = pieceSteps
        }
        isByteLevel = true
        if json["use_regex"]?.boolValue ?? true { steps.append(try .gpt2Words()) }
    }

    private mutating func readMetaspace(_ json: JSONValue) throws(TokenizerError) {
        try requireFirst("Metaspace")
        guard let replacement = json["replacement"]?.stringValue, replacement.unicodeScalars.count == 1 else {
            throw .invalidField("pre_tokenizer.replacement", expected: "one character")
        }
        let mark = Array(replacement.utf8)
        let addsPrefix = json["add_prefix_space"]?.boolValue ?? true
        let replace = Normalizer.Step.replace([UInt8(ascii: " ")], mark)
        let prefixed = [replace, Normalizer.Step.prependUnlessPresent(mark)]
        switch json["prepend_scheme"]?.stringValue ?? (addsPrefix ? "always" : "never") {
        case "always": (firstPieceSteps, pieceSteps) = (prefixed, prefixed)
        case "first": (firstPieceSteps, pieceSteps) = (prefixed, [replace])
        case "never": (firstPieceSteps, pieceSteps) = ([replace], [replace])
        case let scheme: throw .unsupportedComponent(field: "pre_tokenizer.prepend_scheme", value: scheme)
        }
        if json["split"]?.boolValue ?? true { steps.append(.splitBefore(mark)) }
    }

    /// These rewrite text, which happens before all cuts here; after a cut it would mean something else.
    private func requireFirst(_ name: String) throws(TokenizerError) {
        guard steps.isEmpty, pieceSteps.isEmpty else {
            throw .unsupportedComponent(field: "pre_tokenizer", value: "\(name) after another pre-tokenizer")
        }
    }

    private mutating func readSplit(_ json: JSONValue) throws(TokenizerError) {
        let name = json["behavior"]?.stringValue ?? ""
        guard let behavior = PreTokenizer.SplitBehavior(rawValue: name) else {
            throw .unsupportedComponent(field: "pre_tokenizer.behavior", value: name)
        }
        let pattern: SplitPattern
        if let expression = json["pattern"]?["Regex"]?.stringValue {
            pattern = try SplitPattern(expression)
        } else if let text = json["pattern"]?["String"]?.stringValue {
            pattern = try SplitPattern(literal: text)
        } else {
            throw .invalidField("pre_tokenizer.pattern", expected: "a Regex or a String")
        }
        steps.append(.split(pattern, behavior, isInverted: json["invert"]?.boolValue ?? false))
    }
}

extension TokenDecoder {
    init(_ json: JSONValue) throws(TokenizerError) {
        switch try json.componentType(field: "decoder") {
        case "ByteLevel"?: self = .byteLevel
        case "Sequence"?: self = try Self.sentencePiece(parts: json["decoders"]?.arrayValue ?? [])
        case let type: throw .unsupportedComponent(field: "decoder", value: type ?? "null")
        }
    }

    /// Replace, ByteFallback, Fuse and Strip, in this order, the first and the third always there; other orders would
    /// mean something else.
    private static func sentencePiece(parts: [JSONValue]) throws(TokenizerError) -> TokenDecoder {
        if parts.count == 1, try parts[0].componentType(field: "decoder") == "ByteLevel" { return .byteLevel }
        var types: [String] = []
        for part in parts {
            guard let type = try part.componentType(field: "decoder") else { continue }
            types.append(type)
            let isKnown =
                switch type {
                case "Replace":
                    part["pattern"]?["String"]?.stringValue == "▁" && part["content"]?.stringValue == " "
                case "Strip":
                    part["content"]?.stringValue == " " && part["start"]?.integerValue == 1
                        && part["stop"]?.integerValue == 0
                default: type == "ByteFallback" || type == "Fuse"
                }
            guard isKnown else { throw .unsupportedComponent(field: "decoder", value: type) }
        }
        switch types {
        case ["Replace", "ByteFallback", "Fuse"]:
            return .sentencePiece(fallsBackToBytes: true, stripsLeadingSpace: false)
        case ["Replace", "ByteFallback", "Fuse", "Strip"]:
            return .sentencePiece(fallsBackToBytes: true, stripsLeadingSpace: true)
        case ["Replace", "Fuse"]:
            return .sentencePiece(fallsBackToBytes: false, stripsLeadingSpace: false)
        case ["Replace", "Fuse", "Strip"]:
            return .sentencePiece(fallsBackToBytes: false, stripsLeadingSpace: true)
        default: throw .unsupportedComponent(field: "decoder", value: types.joined(separator: ", "))
        }
    }
}
