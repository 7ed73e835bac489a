// The filter `tojson`, as Transformers defines it: Python's `json.dumps` that leaves text beyond ASCII as it is.

import JSON

extension Interpreter {
    /// What of a value is written: all of it counts as untrusted, unless it is one string of the template's own.
    func toJSON(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Text {
        let parameters = ["ensure_ascii", "indent", "separators", "sort_keys"]
        let values = try bind(arguments, to: parameters, of: "tojson")
        var writer = JSONDump(escapesNonASCII: flag(values[0]), sortsKeys: flag(values[3]))
        switch values[1] {
        case nil, .some(.none): break
        case .string(let text): writer.indentation = text.bytes
        case let width:
            let width = try integer(width, default: 0, "the indentation")
            try charge(bytes: max(0, width))
            writer.indentation = Array(repeating: UInt8(ascii: " "), count: max(0, width))
        }
        if writer.indentation != nil { writer.itemSeparator = Array(",".utf8) }
        if let separators = values[2], case let parts = try elements(of: separators), parts.count == 2 {
            writer.itemSeparator = try string(parts[0], "a separator").bytes
            writer.keySeparator = try string(parts[1], "a separator").bytes
        }
        var bytes: [UInt8] = []
        try append(value, writer, level: 0, to: &bytes)
        if case .string(let text) = value { return Text(bytes, isTrusted: text.isTrusted) }
        return Text(bytes, isTrusted: false)
    }

    private func append(
        _ value: Value,
        _ dump: JSONDump,
        level: Int,
        to bytes: inout [UInt8]
    ) throws(TemplateError) {
        try charge(1)
        try check(bytes: bytes.count)
        switch value {
        case .none: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += String(value).utf8
        case .float(let value): bytes += JSONDump.text(of: value).utf8
        case .string(let text): try append(text, dump, to: &bytes)
        case .list(let list), .tuple(let list):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in list.elements.enumerated() {
                try beginElement(index, dump, level: level + 1, in: &bytes)
                try append(element, dump, level: level + 1, to: &bytes)
            }
            if !list.elements.isEmpty { try breakLine(dump, level: level, in: &bytes) }
            bytes.append(UInt8(ascii: "]"))
        case .mapping(let mapping):
            bytes.append(UInt8(ascii: "{"))
            for (index, entry) in try ordered(mapping, dump).enumerated() {
                try beginElement(index, dump, level: level + 1, in: &bytes)
                try append(try keyText(entry.key), dump, to: &bytes)
                bytes += dump.keySeparator
                try append(entry.value, dump, level: level + 1, to: &bytes)
            }
            if mapping.count > 0 { try breakLine(dump, level: level, in: &bytes) }
            bytes.append(UInt8(ascii: "}"))
        default: throw failure("a value of type \(typeName(of: value)) can't be written as JSON")
        }
    }

    private func append(_ text: Text, _ dump: JSONDump, to bytes: inout [UInt8]) throws(TemplateError) {
        try charge(bytes: text.bytes.count.saturatingProduct(6))
        if dump.escapesNonASCII {
            var style = JSONStyle.compact
            style.escapesNonASCII = true
            bytes += JSONValue.string(text.string).serializedBytes(style: style)
        } else {
            JSONWriter.appendString(text.string, to: &bytes)
        }
    }

    private func beginElement(_ index: Int, _ dump: JSONDump, level: Int, in bytes: inout [UInt8]) throws(TemplateError)
    {
        if index > 0 { bytes += dump.itemSeparator }
        try breakLine(dump, level: level, in: &bytes)
    }

    private func breakLine(_ dump: JSONDump, level: Int, in bytes: inout [UInt8]) throws(TemplateError) {
        guard let indentation = dump.indentation else { return }
        try charge(bytes: indentation.count.saturatingProduct(level))
        try check(bytes: bytes.count)
        bytes.append(UInt8(ascii: "\n"))
        for _ in 0..<level { bytes += indentation }
    }

    private func ordered(_ mapping: Mapping, _ dump: JSONDump) throws(TemplateError) -> [Mapping.Entry] {
        guard dump.sortsKeys else { return mapping.entries }
        return try sortedPositions(of: mapping.keys, descending: false).map { mapping.entries[$0] }
    }

    /// Keys that are no strings become such.
    private func keyText(_ key: Value) throws(TemplateError) -> Text {
        switch key {
        case .string(let text): text
        case .none: Text("null", isTrusted: false)
        case .bool(let value): Text(value ? "true" : "false", isTrusted: false)
        case .float(let value): Text(JSONDump.text(of: value), isTrusted: false)
        default: try text(of: key)
        }
    }
}

/// The options of `json.dumps`.
private struct JSONDump {
    var escapesNonASCII: Bool
    var sortsKeys: Bool
    var itemSeparator = Array(", ".utf8)
    var keySeparator = Array(": ".utf8)
    /// Of each level; nil: everything on one line.
    var indentation: [UInt8]?

    static func text(of value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return Interpreter.representation(of: value)
    }
}
