// Values as Python writes them: `str` and `repr`.

import JSON

extension Interpreter {
    /// Python's `str`.
    ///
    /// Only strings keep their origin: whatever else is written may have come from a client.
    func text(of value: Value) throws(TemplateError) -> Text {
        switch value {
        case .string(let text): return text
        case .undefined: return Text()
        default:
            var bytes: [UInt8] = []
            try appendRepresentation(of: value, to: &bytes)
            return Text(bytes, isTrusted: false)
        }
    }

    /// A value in an error message.
    func brief(_ value: Value) throws(TemplateError) -> String {
        var bytes: [UInt8] = []
        try appendRepresentation(of: value, to: &bytes)
        let text = Text(bytes, isTrusted: false)
        return String(String.UnicodeScalarView(text.scalars.prefix(80)))
    }

    /// Python's `repr`; recurses no deeper than values nest.
    func appendRepresentation(of value: Value, to bytes: inout [UInt8]) throws(TemplateError) {
        try check(bytes: bytes.count)
        try charge(1)
        switch value {
        case .undefined: bytes += "Undefined".utf8
        case .none: bytes += "None".utf8
        case .bool(let value): bytes += (value ? "True" : "False").utf8
        case .integer(let value): bytes += String(value).utf8
        case .float(let value): bytes += Self.representation(of: value).utf8
        case .string(let text):
            if text.isMarkup { bytes += "Markup(".utf8 }
            try append(quoted: text, to: &bytes)
            if text.isMarkup { bytes += ")".utf8 }
        case .list(let list): try append(list.elements, "[", "]", to: &bytes)
        case .tuple(let list): try append(list.elements, "(", list.elements.count == 1 ? ",)" : ")", to: &bytes)
        case .mapping(let mapping): try append(mapping, to: &bytes)
        case .view(let view): try append(view.elements, view.kind.rawValue + "([", "])", to: &bytes)
        case .range(let range):
            let stop = range.start &+ range.count &* range.step
            let step = range.step == 1 ? "" : ", \(range.step)"
            bytes += "range(\(range.start), \(stop)\(step))".utf8
        case .function: bytes += "<function>".utf8
        case .object(let id): try appendObject(id, value, to: &bytes)
        }
    }

    /// The shortest decimal that reads back as the same number.
    static func representation(of value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        return JSONValue.number(value).serialized(style: .python())
    }

    private func append(
        _ elements: [Value],
        _ opening: String,
        _ closing: String,
        to bytes: inout [UInt8]
    ) throws(TemplateError) {
        bytes += opening.utf8
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes += ", ".utf8 }
            try appendRepresentation(of: element, to: &bytes)
        }
        bytes += closing.utf8
    }

    private func append(_ mapping: Mapping, to bytes: inout [UInt8]) throws(TemplateError) {
        bytes += "{".utf8
        for (index, entry) in mapping.entries.enumerated() {
            if index > 0 { bytes += ", ".utf8 }
            try appendRepresentation(of: entry.key, to: &bytes)
            bytes += ": ".utf8
            try appendRepresentation(of: entry.value, to: &bytes)
        }
        bytes += "}".utf8
    }

    private func appendObject(_ id: ObjectID, _ value: Value, to bytes: inout [UInt8]) throws(TemplateError) {
        switch objects[id] {
        case .namespace(let mapping):
            // A namespace may hold itself, which no depth of values shows.
            try enter()
            bytes += "<Namespace ".utf8
            try append(mapping, to: &bytes)
            bytes += ">".utf8
            leave()
        case .macro(let definition, _): bytes += "<Macro '\(definition.name)'>".utf8
        case .loop(let loop): bytes += "<LoopContext \(loop.index + 1)/\(loop.elements.count)>".utf8
        default: bytes += "<\(typeName(of: value))>".utf8
        }
    }

    /// In single quotes, or in double ones if that saves escapes; what can't be seen is escaped.
    private func append(quoted text: Text, to bytes: inout [UInt8]) throws(TemplateError) {
        try check(bytes: bytes.count.saturatingSum(text.bytes.count))
        try charge(bytes: text.bytes.count)
        let hasSingle = text.bytes.contains(UInt8(ascii: "'"))
        let quote = hasSingle && !text.bytes.contains(UInt8(ascii: "\"")) ? UInt8(ascii: "\"") : UInt8(ascii: "'")
        bytes.append(quote)
        for scalar in text.scalars {
            switch scalar {
            case "\\": bytes += "\\\\".utf8
            case "\n": bytes += "\\n".utf8
            case "\r": bytes += "\\r".utf8
            case "\t": bytes += "\\t".utf8
            case _ where scalar.value == UInt32(quote): bytes += [UInt8(ascii: "\\"), quote]
            case _ where Self.isPrintable(scalar): bytes += String(scalar).utf8
            default: bytes += Self.escape(scalar).utf8
            }
        }
        bytes.append(quote)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: scalar == " "
        default: true
        }
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\" + letter + String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
