// How one value is laid out: what stands behind the colon of `{:>8.2f}`, or behind the sign of `%-8.2f`.

struct FormatSpecification {
    var fill: Text
    /// One of `<`, `>`, `^` and `=`, which puts the filling behind the sign.
    var alignment: Character?
    /// `+` or a space: what positive numbers show.
    var sign: Character?
    var isAlternate = false
    var width = 0
    /// `,` or `_` between groups of digits.
    var grouping: Character?
    var precision: Int?
    var type: Character?

    /// - Parameter isTrusted: Whether the format, to which the filling belongs, is the template's own.
    init(isTrusted: Bool) {
        fill = Text(" ", isTrusted: isTrusted)
    }

    /// Reads `[[fill]align][sign][#][0][width][grouping][.precision][type]`; nil if it is anything else.
    init?(_ scalars: [Unicode.Scalar], isTrusted: Bool) {
        self.init(isTrusted: isTrusted)
        var rest = scalars[...]
        if let second = rest.dropFirst().first, Self.isAlignment(second) {
            fill = Text(String(scalars[0]), isTrusted: isTrusted)
            alignment = Character(second)
            rest = rest.dropFirst(2)
        } else if let first = rest.first, Self.isAlignment(first) {
            alignment = Character(first)
            rest = rest.dropFirst()
        }
        if let first = rest.first, "+- ".unicodeScalars.contains(first) {
            sign = first == "-" ? nil : Character(first)
            rest = rest.dropFirst()
        }
        if Self.skip("#", &rest) { isAlternate = true }
        if Self.skip("0", &rest) { fillWithZeros() }
        guard let width = Self.number(&rest) else { return nil }
        self.width = width
        if let first = rest.first, first == "," || first == "_" {
            grouping = Character(first)
            rest = rest.dropFirst()
        }
        if Self.skip(".", &rest) {
            guard let first = rest.first, first.properties.numericType == .decimal,
                let precision = Self.number(&rest)
            else { return nil }
            self.precision = precision
        }
        if let first = rest.popFirst() { type = Character(first) }
        guard rest.isEmpty else { return nil }
    }

    mutating func fillWithZeros() {
        guard alignment == nil else { return }
        fill = Text("0", isTrusted: fill.isTrusted)
        alignment = "="
    }

    private static func isAlignment(_ scalar: Unicode.Scalar) -> Bool { "<>^=".unicodeScalars.contains(scalar) }

    private static func skip(_ scalar: Unicode.Scalar, _ rest: inout ArraySlice<Unicode.Scalar>) -> Bool {
        guard rest.first == scalar else { return false }
        rest.removeFirst()
        return true
    }

    /// A number, 0 if there is none; nil if it is out of proportion.
    static func number(_ rest: inout ArraySlice<Unicode.Scalar>) -> Int? {
        var value = 0
        while let first = rest.first, ("0"..."9").contains(first) {
            value = value * 10 + Int(first.value - 0x30)
            guard value < 1_000_000_000 else { return nil }
            rest.removeFirst()
        }
        return value
    }
}

extension Interpreter {
    /// Lays a value out; the text of a number counts as untrusted, as everywhere.
    func layOut(_ value: Value, _ specification: FormatSpecification) throws(TemplateError) -> Text {
        try charge(bytes: specification.width.saturatingProduct(4))
        try charge(bytes: specification.precision ?? 0)
        switch value {
        case .string(let text):
            guard specification.type == nil || specification.type == "s", specification.alignment != "=" else { break }
            var shown = text
            if let precision = specification.precision, precision < text.scalarCount {
                shown = text[0..<text.scalarOffsets[precision]]
            }
            return aligned(shown, sign: "", specification, default: "<")
        case .bool, .integer, .float:
            guard let number = numberText(value, specification) else { break }
            return aligned(Text(number.digits, isTrusted: false), sign: number.sign, specification, default: ">")
        default:
            break
        }
        throw failure("the format does not fit a value of type \(typeName(of: value))")
    }

    private func aligned(
        _ text: Text,
        sign: String,
        _ specification: FormatSpecification,
        default other: Character
    ) -> Text {
        let missing = max(0, specification.width - text.scalarCount - sign.utf8.count)
        var signed = Text(sign, isTrusted: false)
        guard missing > 0 else {
            signed.append(text)
            return signed
        }
        if specification.alignment == "=" {
            signed.append(text.padded(left: missing, right: 0, with: specification.fill))
            return signed
        }
        signed.append(text)
        switch specification.alignment ?? other {
        case "<": return signed.padded(left: 0, right: missing, with: specification.fill)
        case "^": return signed.padded(left: missing / 2, right: missing - missing / 2, with: specification.fill)
        default: return signed.padded(left: missing, right: 0, with: specification.fill)
        }
    }

    /// - Returns: Nil when the type of the specification does not suit the number.
    private func numberText(_ value: Value, _ specification: FormatSpecification) -> (sign: String, digits: String)? {
        let type = specification.type
        if let integer = value.integerValue, type == nil || "bcdnoxX".contains(type ?? "d") {
            guard specification.precision == nil, type != "c" else { return nil }
            let radix = type == "b" ? 2 : type == "o" ? 8 : type == "x" || type == "X" ? 16 : 10
            var digits = String(integer.magnitude, radix: radix, uppercase: type == "X")
            if radix == 10 { digits = grouped(digits, specification.grouping) }
            let prefix = specification.isAlternate && radix != 10 ? "0" + String(type ?? "x") : ""
            return (sign(isNegative: integer < 0, specification) + prefix, digits)
        }
        guard let number = value.doubleValue, type == nil || "eEfFgGn%".contains(type ?? "g") else { return nil }
        let sign = sign(isNegative: number.sign == .minus && !number.isNaN, specification)
        guard number.isFinite else { return (sign, number.isNaN ? "nan" : "inf") }
        let digits = floatDigits(number, specification)
        let wholeCount = digits.prefix { $0.isNumber }.count
        let whole = grouped(String(digits.prefix(wholeCount)), specification.grouping)
        return (sign, whole + digits.dropFirst(wholeCount))
    }

    private func sign(isNegative: Bool, _ specification: FormatSpecification) -> String {
        isNegative ? "-" : specification.sign.map(String.init) ?? ""
    }

    private func grouped(_ digits: String, _ separator: Character?) -> String {
        guard let separator else { return digits }
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { result.append(separator) }
            result.append(digit)
        }
        return result
    }

    /// The magnitude of a finite number.
    private func floatDigits(_ number: Double, _ specification: FormatSpecification) -> String {
        let precision = specification.precision ?? 6
        let expansion = DecimalExpansion(number)
        switch specification.type {
        case "f", "F": return expansion.fixed(fractionDigits: precision)
        case "%": return DecimalExpansion(number * 100).fixed(fractionDigits: precision) + "%"
        case "e": return exponential(expansion, precision)
        case "E": return exponential(expansion, precision).uppercased()
        case nil where specification.precision == nil: return Self.representation(of: number.magnitude)
        case "G": return general(expansion, max(1, precision), specification).uppercased()
        default: return general(expansion, max(1, precision), specification)
        }
    }

    private func exponential(_ expansion: DecimalExpansion, _ precision: Int) -> String {
        let (digits, exponent) = expansion.scientific(digitCount: precision + 1)
        return layOut(digits: digits, exponent: exponent)
    }

    private func layOut(digits: String, exponent: Int) -> String {
        let fraction = digits.dropFirst()
        let figures = String(exponent.magnitude)
        return digits.prefix(1) + (fraction.isEmpty ? "" : "." + fraction) + (exponent < 0 ? "e-" : "e+")
            + (figures.utf8.count < 2 ? "0" : "") + figures
    }

    /// As `%g`: whichever of the two is shorter, without zeros at the end.
    private func general(
        _ expansion: DecimalExpansion,
        _ precision: Int,
        _ specification: FormatSpecification
    ) -> String {
        let (digits, exponent) = expansion.scientific(digitCount: precision)
        // Without a type, a float always looks like one: the point needs a digit behind it.
        let isBare = specification.type == nil
        let greatest = isBare ? precision - 1 : precision
        if exponent < -4 || exponent >= greatest {
            let kept = specification.isAlternate ? digits : Self.withoutTrailingZeros(digits)
            return layOut(digits: kept.isEmpty ? "0" : kept, exponent: exponent)
        }
        let fixed = expansion.fixed(fractionDigits: precision - 1 - exponent)
        guard !specification.isAlternate, fixed.contains(".") else { return fixed }
        let kept = Self.withoutTrailingZeros(fixed)
        guard kept.hasSuffix(".") else { return kept }
        return isBare ? kept + "0" : String(kept.dropLast())
    }

    private static func withoutTrailingZeros(_ digits: String) -> String {
        String(digits.reversed().drop { $0 == "0" }.reversed())
    }
}
