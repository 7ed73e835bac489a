// Filters that make a text.

extension Interpreter {
    func apply(_ filter: TextFilter, to value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch filter {
        case .tojson: return .string(try toJSON(value, arguments))
        case .format:
            let format = try text(of: value)
            guard arguments.keywords.isEmpty || arguments.positional.isEmpty else {
                throw failure("'format' takes positional arguments or keywords, not both")
            }
            guard !arguments.keywords.isEmpty else {
                return .string(try formatted(format, .tuple(try list(arguments.positional))))
            }
            var mapping = Mapping()
            for keyword in arguments.keywords { mapping.set(keyword.name, to: keyword.value) }
            return .string(try formatted(format, .mapping(mapping)))
        case .urlencode:
            _ = try bind(arguments, to: [], of: "urlencode")
            return .string(try urlEncoded(value))
        default: break
        }
        let text = try text(of: value)
        try charge(bytes: text.bytes.count)
        switch filter {
        case .trim:
            let values = try bind(arguments, to: ["chars"], of: "trim")
            return .string(text.stripped(of: try optionalString(values[0], "what is trimmed")))
        case .replace:
            let values = try bind(arguments, to: ["old", "new", "count"], required: 2, of: "replace")
            let old = try self.text(of: values[0] ?? .none)
            let new = try self.text(of: values[1] ?? .none)
            var limit = -1
            if let count = values[2], case let count = count.integerValue { limit = count ?? -1 }
            return .string(try replace(old, in: text.plain, with: new, limit: limit))
        case .indent: return .string(try indent(text, arguments))
        case .truncate: return .string(try truncate(text, arguments))
        case .center:
            let values = try bind(arguments, to: ["width"], of: "center")
            let width = try integer(values[0], default: 80, "the width")
            let missing = max(0, width.subtractingReportingOverflow(text.scalarCount).partialValue)
            try charge(bytes: missing)
            return .string(centered(text, missing: missing, width: width, Text(" ", isTrusted: true)))
        default:
            _ = try bind(arguments, to: [], of: filter.rawValue)
            return convert(text, filter)
        }
    }

    /// The filters without arguments.
    private func convert(_ text: Text, _ filter: TextFilter) -> Value {
        switch filter {
        case .upper: return .string(text.uppercased)
        case .lower: return .string(text.lowercased)
        case .title: return .string(text.jinjaTitleCased)
        case .capitalize: return .string(text.capitalized)
        case .safe:
            var markup = text
            markup.isMarkup = true
            return .string(markup)
        case .escape, .e: return .string(text.escaped)
        case .forceescape: return .string(text.plain.escaped)
        case .wordcount:
            var count = 0
            var isInWord = false
            for scalar in text.scalars {
                if scalar.isPythonWord, !isInWord { count += 1 }
                isInWord = scalar.isPythonWord
            }
            return .integer(count)
        default: return .string(text)
        }
    }

    private func indent(_ text: Text, _ arguments: Arguments) throws(TemplateError) -> Text {
        let values = try bind(arguments, to: ["width", "first", "blank"], of: "indent")
        var indentation = Text(" ", isTrusted: true)
        if case .string(let given) = values[0] {
            indentation = given
        } else {
            let width = max(0, try integer(values[0], default: 4, "the width"))
            try charge(bytes: width)
            indentation = indentation.repeated(width)
        }
        let newline = Text("\n", isTrusted: true)
        var extended = text
        extended.append(newline)
        var result = Text()
        result.isMarkup = text.isMarkup
        if flag(values[1]) { try append(indentation, to: &result) }
        for (index, line) in extended.lines().enumerated() {
            if index > 0 {
                try append(newline, to: &result)
                if !line.isEmpty || flag(values[2]) { try append(indentation, to: &result) }
            }
            try append(line, to: &result)
        }
        return result
    }

    private func truncate(_ text: Text, _ arguments: Arguments) throws(TemplateError) -> Text {
        let values = try bind(arguments, to: ["length", "killwords", "end", "leeway"], of: "truncate")
        let length = try integer(values[0], default: 255, "the length")
        let end = try optionalString(values[2], "the end") ?? Text("...", isTrusted: true)
        let leeway = try integer(values[3], default: 5, "the leeway")
        guard length >= end.scalarCount, leeway >= 0 else {
            throw failure("the length must not be below that of the end")
        }
        let offsets = text.scalarOffsets
        guard offsets.count - 1 > length.saturatingSum(leeway) else { return text }
        var result = text[0..<offsets[length - end.scalarCount]]
        if !flag(values[1]) {
            result = result.split(by: Text(" ", isTrusted: true), limit: 1, fromRight: true)[0]
        }
        try append(end, to: &result)
        return result
    }

    // MARK: - URLs

    private func urlEncoded(_ value: Value) throws(TemplateError) -> Text {
        var pairs: [Value]
        switch value {
        case .mapping(let mapping): pairs = mapping.items
        case .list, .tuple, .view, .object: pairs = try elements(of: value)
        default: return try percentEncoded(try text(of: value), isQuery: false)
        }
        var result = Text()
        for (index, pair) in pairs.enumerated() {
            let parts = try elements(of: pair)
            guard parts.count == 2 else { throw failure("'urlencode' needs pairs of key and value") }
            if index > 0 { result.append("&", isTrusted: true) }
            try append(try percentEncoded(try text(of: parts[0]), isQuery: true), to: &result)
            result.append("=", isTrusted: true)
            try append(try percentEncoded(try text(of: parts[1]), isQuery: true), to: &result)
        }
        return result
    }

    private func percentEncoded(_ text: Text, isQuery: Bool) throws(TemplateError) -> Text {
        try charge(bytes: text.bytes.count.saturatingProduct(3))
        let digits = Array("0123456789ABCDEF".utf8)
        let kept = Set("_.-~".utf8)
        var result = Text()
        for run in text.runs {
            var piece: [UInt8] = []
            for byte in text.bytes[run.range] {
                let scalar = Unicode.Scalar(byte)
                switch byte {
                case _ where byte < 0x80 && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil):
                    piece.append(byte)
                case _ where kept.contains(byte): piece.append(byte)
                case UInt8(ascii: "/") where !isQuery: piece.append(byte)
                case UInt8(ascii: " ") where isQuery: piece.append(UInt8(ascii: "+"))
                default: piece += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                }
            }
            result.append(bytes: piece[...], isTrusted: run.isTrusted)
        }
        return result
    }
}
