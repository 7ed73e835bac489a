// The methods that strings have in a template, as in Python.

enum StringMethod: String, Sendable {
    case strip, lstrip, rstrip, split, rsplit, splitlines, partition, rpartition, join, replace
    case upper, lower, title, capitalize, swapcase, casefold
    case startswith, endswith, removeprefix, removesuffix
    case find, rfind, index, rindex, count, format, center, ljust, rjust, zfill
    case isdigit, isdecimal, isnumeric, isalpha, isalnum, isspace, isascii, islower, isupper, istitle
}

extension Interpreter {
    func call(
        _ method: StringMethod,
        of text: Text,
        _ arguments: Arguments
    ) throws(TemplateError) -> Value {
        // Every method walks the text at most a few times.
        try charge(bytes: text.bytes.count)
        switch method {
        case .strip, .lstrip, .rstrip: return .string(try strip(text, method, arguments))
        case .split, .rsplit: return try split(text, method, arguments)
        case .partition, .rpartition: return try partition(text, method, arguments)
        case .join: return .string(try join(text, arguments))
        case .replace: return .string(try replace(text, arguments))
        case .startswith, .endswith: return .bool(try hasAffix(text, method, arguments))
        case .removeprefix, .removesuffix: return .string(try removeAffix(text, method, arguments))
        case .find, .rfind, .index, .rindex, .count: return .integer(try search(text, method, arguments))
        case .format: return .string(try format(text, arguments))
        case .center, .ljust, .rjust, .zfill: return .string(try pad(text, method, arguments))
        case .splitlines:
            let values = try bind(arguments, to: ["keepends"], of: method.rawValue)
            return .list(try list(text.lines(keepEnds: flag(values[0])).map(Value.string)))
        default:
            _ = try bind(arguments, to: [], of: method.rawValue)
            return convert(text, method)
        }
    }

    /// The methods without arguments.
    private func convert(_ text: Text, _ method: StringMethod) -> Value {
        func isAll(_ property: (Unicode.Scalar) -> Bool) -> Value {
            .bool(!text.isEmpty && text.scalars.allSatisfy(property))
        }
        switch method {
        case .upper: return .string(text.uppercased)
        case .lower, .casefold: return .string(text.lowercased)
        case .title: return .string(text.titleCased)
        case .capitalize: return .string(text.capitalized)
        case .swapcase: return .string(text.swappedCase)
        case .isdigit: return isAll { $0.properties.numericType == .decimal || $0.properties.numericType == .digit }
        case .isdecimal: return isAll { $0.properties.numericType == .decimal }
        case .isnumeric: return isAll { $0.properties.numericType != nil }
        case .isalpha: return isAll(\.isPythonLetter)
        case .isalnum: return isAll { $0.isPythonLetter || $0.properties.numericType != nil }
        case .isspace: return isAll(\.isPythonSpace)
        case .isascii: return .bool(text.bytes.allSatisfy { $0 < 0x80 })
        case .islower: return .bool(text.isLowercase)
        case .isupper: return .bool(text.isUppercase)
        default: return .bool(text.isTitle)
        }
    }

    private func strip(_ text: Text, _ method: StringMethod, _ arguments: Arguments) throws(TemplateError) -> Text {
        let values = try bind(arguments, to: ["chars"], of: method.rawValue)
        let characters = try optionalString(values[0], "what is stripped")
        try charge(bytes: characters?.bytes.count ?? 0)
        return text.stripped(of: characters, method == .strip ? .both : method == .lstrip ? .left : .right)
    }

    private func split(_ text: Text, _ method: StringMethod, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["sep", "maxsplit"], of: method.rawValue)
        let separator = try optionalString(values[0], "the separator")
        let maximum = try integer(values[1], default: -1, "maxsplit")
        let limit = maximum < 0 ? Int.max : maximum
        guard let separator else {
            let words = method == .split ? text.words(limit: limit) : text.wordsFromRight(limit: limit)
            return .list(try list(words.map(Value.string)))
        }
        guard !separator.isEmpty else { throw failure("the separator must not be empty") }
        try charge(bytes: separator.bytes.count)
        let parts = text.split(by: separator, limit: limit, fromRight: method == .rsplit)
        return .list(try list(parts.map(Value.string)))
    }

    private func partition(
        _ text: Text,
        _ method: StringMethod,
        _ arguments: Arguments
    ) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["sep"], required: 1, of: method.rawValue)
        let separator = try string(values[0], "the separator")
        guard !separator.isEmpty else { throw failure("the separator must not be empty") }
        try charge(bytes: separator.bytes.count)
        let whole = 0..<text.bytes.count
        let isFirst = method == .partition
        let found = isFirst ? text.firstOffset(of: separator, in: whole) : text.lastOffset(of: separator, in: whole)
        guard let found else {
            let parts = isFirst ? [text, Text(), Text()] : [Text(), Text(), text]
            return .tuple(try list(parts.map(Value.string)))
        }
        let end = found + separator.bytes.count
        let parts = [text[0..<found], text[found..<end], text[end..<whole.upperBound]]
        return .tuple(try list(parts.map(Value.string)))
    }

    private func join(_ separator: Text, _ arguments: Arguments) throws(TemplateError) -> Text {
        let values = try bind(arguments, to: ["iterable"], required: 1, of: "join")
        var result = Text()
        for (index, element) in try elements(of: values[0] ?? .none).enumerated() {
            guard case .string(let part) = element else {
                throw failure("strings alone can be joined, not a value of type \(typeName(of: element))")
            }
            if index > 0 { try append(separator, to: &result) }
            try append(separator.isMarkup ? part.escaped : part, to: &result)
        }
        result.isMarkup = separator.isMarkup
        return result
    }

    private func replace(_ text: Text, _ arguments: Arguments) throws(TemplateError) -> Text {
        let values = try bind(arguments, to: ["old", "new", "count"], required: 2, of: "replace")
        let old = try string(values[0], "what is replaced")
        let new = try string(values[1], "the replacement")
        return try replace(
            old,
            in: text,
            with: text.isMarkup ? new.escaped : new,
            limit: try integer(values[2], default: -1, "the count")
        )
    }

    /// - Parameter limit: How many places at most; all if negative.
    func replace(_ old: Text, in text: Text, with new: Text, limit: Int) throws(TemplateError) -> Text {
        try charge(bytes: text.bytes.count)
        try charge(bytes: old.bytes.count)
        let places = text.places(of: old, limit: limit < 0 ? .max : limit)
        try charge(bytes: places.count.saturatingProduct(new.bytes.count).saturatingSum(text.bytes.count))
        try charge(places.count)
        return text.replacing(at: places, count: old.bytes.count, with: new)
    }

    // MARK: - Affixes and searches

    private func hasAffix(_ text: Text, _ method: StringMethod, _ arguments: Arguments) throws(TemplateError) -> Bool {
        let values = try bind(arguments, to: ["affix", "start", "end"], required: 1, of: method.rawValue)
        let part = values[1] == nil && values[2] == nil ? text : text[try range(of: text, values[1], values[2])]
        var affixes: [Value] = [values[0] ?? .none]
        if case .tuple(let list) = affixes[0] { affixes = list.elements }
        for affix in affixes {
            let affix = try string(affix, "the text at an end of a string")
            try charge(bytes: affix.bytes.count)
            if method == .startswith ? part.hasPrefix(affix) : part.hasSuffix(affix) { return true }
        }
        return false
    }

    private func removeAffix(
        _ text: Text,
        _ method: StringMethod,
        _ arguments: Arguments
    ) throws(TemplateError) -> Text {
        let values = try bind(arguments, to: ["affix"], required: 1, of: method.rawValue)
        let affix = try string(values[0], "the text at an end of a string")
        let count = affix.bytes.count
        if method == .removeprefix { return text.hasPrefix(affix) ? text[count..<text.bytes.count] : text }
        return text.hasSuffix(affix) ? text[0..<text.bytes.count - count] : text
    }

    private func search(_ text: Text, _ method: StringMethod, _ arguments: Arguments) throws(TemplateError) -> Int {
        let values = try bind(arguments, to: ["sub", "start", "end"], required: 1, of: method.rawValue)
        let part = try string(values[0], "what is sought")
        try charge(bytes: part.bytes.count)
        let range = try range(of: text, values[1], values[2])
        if method == .count {
            guard part.isEmpty else { return text.offsets(of: part, in: range).count }
            return text[range].scalarCount + 1
        }
        let isFirst = method == .find || method == .index
        let found = isFirst ? text.firstOffset(of: part, in: range) : text.lastOffset(of: part, in: range)
        if let found { return text[0..<found].scalarCount }
        guard method == .find || method == .rfind else { throw failure("the text sought is not there") }
        return -1
    }

    /// The bytes between two positions counted in scalars, as in a slice.
    private func range(of text: Text, _ start: Value?, _ stop: Value?) throws(TemplateError) -> Range<Int> {
        if start == nil, stop == nil { return 0..<text.bytes.count }
        let offsets = text.scalarOffsets
        let count = offsets.count - 1
        func offset(_ value: Value?, default other: Int) throws(TemplateError) -> Int {
            if case .some(.none) = value { return offsets[other] }
            let position = try integer(value, default: other, "a position")
            return offsets[min(max(position < 0 ? position + count : position, 0), count)]
        }
        let lower = try offset(start, default: 0)
        return lower..<max(lower, try offset(stop, default: count))
    }

    // MARK: - Padding

    private func pad(_ text: Text, _ method: StringMethod, _ arguments: Arguments) throws(TemplateError) -> Text {
        let values = try bind(arguments, to: ["width", "fillchar"], required: 1, of: method.rawValue)
        let width = try integer(values[0], default: 0, "the width")
        let fill = try optionalString(values[1], "the filling") ?? Text(" ", isTrusted: true)
        guard fill.scalarCount == 1 else { throw failure("the filling must be one character") }
        let missing = max(0, width.subtractingReportingOverflow(text.scalarCount).partialValue)
        try charge(bytes: missing.saturatingProduct(fill.bytes.count))
        switch method {
        case .ljust: return text.padded(left: 0, right: missing, with: fill)
        case .rjust: return text.padded(left: missing, right: 0, with: fill)
        case .center: return centered(text, missing: missing, width: width, fill)
        default:
            let hasSign = text.bytes.first == UInt8(ascii: "-") || text.bytes.first == UInt8(ascii: "+")
            var result = hasSign ? text[0..<1] : Text()
            let digits = text[(hasSign ? 1 : 0)..<text.bytes.count]
            result.append(digits.padded(left: missing, right: 0, with: Text("0", isTrusted: true)))
            return result
        }
    }

    /// Of an odd gap Python puts the larger half to the left if the width is odd too.
    func centered(_ text: Text, missing: Int, width: Int, _ fill: Text) -> Text {
        let left = missing / 2 + (missing & width & 1)
        return text.padded(left: left, right: missing - left, with: fill)
    }
}
