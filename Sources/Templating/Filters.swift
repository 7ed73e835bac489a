// The filters: which there are, and the way to them.

enum TextFilter: String, CaseIterable {
    case trim, upper, lower, title, capitalize, replace, string, safe, indent, format, center, truncate
    case escape, e, forceescape, urlencode, wordcount, tojson
}

enum SequenceFilter: String, CaseIterable {
    case join, length, count, first, last, list, map, select, reject, selectattr, rejectattr, items, dictsort, sort
    case unique, reverse, batch, slice, groupby, sum, min, max
}

enum ValueFilter: String, CaseIterable {
    case `default`, d, int, float, abs, round
}

extension Interpreter {
    static let filterNames = Set(
        TextFilter.allCases.map(\.rawValue) + SequenceFilter.allCases.map(\.rawValue)
            + ValueFilter.allCases.map(\.rawValue)
    )

    func apply(_ name: String, to value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        try charge(1)
        if let filter = TextFilter(rawValue: name) { return try apply(filter, to: value, arguments) }
        if let filter = SequenceFilter(rawValue: name) { return try apply(filter, to: value, arguments) }
        if let filter = ValueFilter(rawValue: name) { return try apply(filter, to: value, arguments) }
        throw failure("there is no filter '\(name)'")
    }

    private func apply(
        _ filter: ValueFilter,
        to value: Value,
        _ arguments: Arguments
    ) throws(TemplateError) -> Value {
        switch filter {
        case .default, .d:
            let values = try bind(arguments, to: ["default_value", "boolean"], of: "default")
            let isWanted = value.isUndefined || (flag(values[1]) && !isTrue(value))
            return isWanted ? values[0] ?? .string(Text()) : value
        case .int: return try toInteger(value, arguments)
        case .float:
            let values = try bind(arguments, to: ["default"], of: "float")
            if case .undefined(let undefined) = value { throw failure(undefined.message) }
            return try toDouble(value).map(Value.float) ?? values[0] ?? .float(0)
        case .abs:
            _ = try bind(arguments, to: [], of: "abs")
            guard let number = value.doubleValue else { throw failure("'abs' needs a number") }
            return number < 0 ? try negated(value) : try unsigned(value)
        case .round: return try round(value, arguments)
        }
    }

    // MARK: - Numbers

    private func toInteger(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["default", "base"], of: "int")
        let other = values[0] ?? .integer(0)
        if case .undefined(let undefined) = value { throw failure(undefined.message) }
        if let integer = value.integerValue { return .integer(integer) }
        if case .string(let text) = value {
            try charge(bytes: text.bytes.count)
            let base = try integer(values[1], default: 10, "the base")
            guard (2...36).contains(base) || base == 0 else { return other }
            if let integer = Self.integer(text, base: base) { return .integer(integer) }
        }
        guard let number = try toDouble(value), let integer = Int(exactly: number.rounded(.towardZero)) else {
            return other
        }
        return .integer(integer)
    }

    /// As Python's `int` reads a string: space around it, a sign, single underscores between digits.
    private static func integer(_ text: Text, base: Int) -> Int? {
        var digits = text.stripped().string
        var sign = ""
        if let first = digits.first, first == "-" || first == "+" { sign = String(digits.removeFirst()) }
        var radix = base
        for (prefix, value) in [("0x", 16), ("0o", 8), ("0b", 2)] where base == value || base == 0 {
            guard digits.lowercased().hasPrefix(prefix) else { continue }
            digits.removeFirst(2)
            radix = value
            break
        }
        guard let first = digits.utf8.first, first != UInt8(ascii: "-"), first != UInt8(ascii: "+"),
            let plain = withoutUnderscores(digits)
        else { return nil }
        return Int(sign + plain, radix: radix == 0 ? 10 : radix)
    }

    private static func withoutUnderscores(_ digits: String) -> String? {
        let parts = digits.split(separator: "_", omittingEmptySubsequences: false)
        return parts.contains(where: \.isEmpty) ? nil : parts.joined()
    }

    /// As Python's `float` reads a number or a string.
    private func toDouble(_ value: Value) throws(TemplateError) -> Double? {
        if let number = value.doubleValue { return number }
        guard case .string(let text) = value else { return nil }
        try charge(bytes: text.bytes.count)
        guard let digits = Self.withoutUnderscores(text.stripped().string.lowercased()) else { return nil }
        let unsigned = digits.drop { $0 == "+" || $0 == "-" }
        guard digits.utf8.count - unsigned.utf8.count <= 1 else { return nil }
        let sign = digits.hasPrefix("-") ? -1.0 : 1.0
        switch unsigned {
        case "inf", "infinity": return sign * .infinity
        case "nan": return .nan
        default:
            // Swift would also take hexadecimal digits and names of its own.
            guard unsigned.utf8.allSatisfy({ (0x30...0x39).contains($0) || ".e+-".utf8.contains($0) }) else {
                return nil
            }
            let padded = unsigned.hasPrefix(".") ? "0" + unsigned : unsigned
            return Double(padded.hasSuffix(".") ? padded + "0" : padded).map { $0 * sign }
        }
    }

    private func round(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["precision", "method"], of: "round")
        let precision = try integer(values[0], default: 0, "the precision")
        let method = try optionalString(values[1], "the method")?.string ?? "common"
        guard let number = value.doubleValue, number.isFinite, (-300...300).contains(precision) else {
            throw failure("'round' needs a finite number and a precision")
        }
        guard method != "common" else {
            if let integer = value.integerValue, precision >= 0 { return .integer(integer) }
            let scale = Double("1e\(-precision)") ?? 1
            if precision < 0 { return .float((number / scale).rounded(.toNearestOrEven) * scale) }
            let digits = DecimalExpansion(number).fixed(fractionDigits: precision)
            return .float((Double(digits) ?? 0) * (number < 0 ? -1 : 1))
        }
        guard method == "ceil" || method == "floor" else { throw failure("the method must be common, ceil or floor") }
        let scale = Double("1e\(precision)") ?? 1
        let rounded = (number * scale).rounded(method == "ceil" ? .up : .down)
        return .float(rounded / scale)
    }
}
