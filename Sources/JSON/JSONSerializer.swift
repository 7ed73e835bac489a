// Whole values to text, in the compact form or as Python's json.dumps writes them.

/// The choices of Python's `json.dumps`. Infinite numbers and NaN become null, where Python would leave JSON.
public struct JSONStyle: Sendable, Equatable {
    public var itemSeparator: String
    public var keySeparator: String
    /// Spaces for each level, every item on its own line; nil: all on one line.
    public var indentation: Int?
    public var escapesNonASCII = false
    public var sortsKeys = false
    /// Which of the two ways of writing very large and very small numbers; the value is the same.
    var numberFormat = NumberFormat.compact

    public init(itemSeparator: String, keySeparator: String, indentation: Int? = nil) {
        self.itemSeparator = itemSeparator
        self.keySeparator = keySeparator
        self.indentation = indentation
    }

    public static let compact = JSONStyle(itemSeparator: ",", keySeparator: ":")

    /// `json.dumps(value, ensure_ascii=False, indent=indentation)`.
    public static func python(indentation: Int? = nil) -> JSONStyle {
        let itemSeparator = indentation == nil ? ", " : ","
        var style = JSONStyle(itemSeparator: itemSeparator, keySeparator: ": ", indentation: indentation)
        style.numberFormat = .python
        return style
    }
}

extension JSONValue {
    public func serialized(style: JSONStyle = .compact) -> String {
        String(decoding: serializedBytes(style: style), as: UTF8.self)
    }

    public func serializedBytes(style: JSONStyle = .compact) -> [UInt8] {
        var bytes: [UInt8] = []
        JSONSerializer(style: style).append(self, to: &bytes)
        return bytes
    }
}

/// Recurses once for each level of the value; values from the parser have few (`JSONLimits.greatestDepth`).
struct JSONSerializer {
    let style: JSONStyle

    func append(_ value: JSONValue, to bytes: inout [UInt8], level: Int = 0) {
        switch value {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): bytes.append(contentsOf: String(value).utf8)
        case .number(let value): bytes.append(contentsOf: style.numberFormat.text(of: value).utf8)
        case .string(let value): append(value, to: &bytes)
        case .array(let elements):
            appendContainer("[", "]", of: elements, to: &bytes, level: level) { element, bytes in
                append(element, to: &bytes, level: level + 1)
            }
        case .object(let object):
            appendContainer("{", "}", of: ordered(object.members), to: &bytes, level: level) { member, bytes in
                append(member.key, to: &bytes)
                bytes.append(contentsOf: style.keySeparator.utf8)
                append(member.value, to: &bytes, level: level + 1)
            }
        }
    }

    private func appendContainer<Element>(
        _ opening: String, _ closing: String, of elements: [Element], to bytes: inout [UInt8], level: Int,
        appendElement: (Element, inout [UInt8]) -> Void
    ) {
        bytes.append(contentsOf: opening.utf8)
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(contentsOf: style.itemSeparator.utf8) }
            breakLine(level: level + 1, in: &bytes)
            appendElement(element, &bytes)
        }
        if !elements.isEmpty { breakLine(level: level, in: &bytes) }
        bytes.append(contentsOf: closing.utf8)
    }

    private func breakLine(level: Int, in bytes: inout [UInt8]) {
        guard let indentation = style.indentation else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: max(0, indentation) * level))
    }

    /// By code points, as Python sorts; the order of UTF-8's bytes is the same.
    private func ordered(_ members: [JSONObject.Member]) -> [JSONObject.Member] {
        guard style.sortsKeys else { return members }
        return members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    private func append(_ text: String, to bytes: inout [UInt8]) {
        guard style.escapesNonASCII, text.utf8.contains(where: { $0 >= 0x7F }) else {
            JSONWriter.appendString(text, to: &bytes)
            return
        }
        bytes.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            if scalar.value < 0x7F {
                JSONWriter.appendEscaped(String(scalar), to: &bytes)
            } else {
                for unit in String(scalar).utf16 {
                    bytes.append(UInt8(ascii: "\\"))
                    JSONWriter.appendUnit(unit, to: &bytes)
                }
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
