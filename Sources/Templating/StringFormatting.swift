// Texts with gaps for values: `"%s" % value` and `"{}".format(value)`. Every part keeps its origin.

extension Interpreter {
    // MARK: - The operator %

    /// - Parameter argument: A tuple of values, a mapping for `%(name)s`, or a single value.
    func formatted(_ format: Text, _ argument: Value) throws(TemplateError) -> Text {
        try charge(bytes: format.bytes.count)
        var arguments: ArraySlice<Value> = [argument]
        if case .tuple(let list) = argument { arguments = list.elements[...] }
        let units = format.bytes.map { Unicode.Scalar($0) }
        var result = Text()
        var start = 0
        while let sign = format.bytes[start...].firstIndex(of: UInt8(ascii: "%")) {
            try append(format[start..<sign], to: &result)
            var rest = units[(sign + 1)...]
            try append(try percentField(of: format, &rest, argument, &arguments), to: &result)
            start = rest.startIndex
        }
        try append(format[start..<format.bytes.count], to: &result)
        if case .mapping = argument { arguments = [] }
        guard arguments.isEmpty else { throw failure("a format string has fewer places than there are values") }
        result.isMarkup = format.isMarkup
        return result
    }

    /// - Parameter rest: What stands behind the `%`; then what stands behind the field.
    private func percentField(
        of format: Text,
        _ rest: inout ArraySlice<Unicode.Scalar>,
        _ argument: Value,
        _ arguments: inout ArraySlice<Value>
    ) throws(TemplateError) -> Text {
        let isTrusted = format.isTrusted(at: rest.startIndex - 1)
        var key: Value?
        if rest.first == "(" {
            guard let end = rest.firstIndex(of: ")"), case .mapping(let mapping) = argument else {
                throw failure("a format string with names needs a mapping")
            }
            let name = Array(format.bytes[(rest.startIndex + 1)..<end])
            guard let value = mapping[.string(name)] else { throw failure("a format string names what is not there") }
            key = value
            rest = rest[(end + 1)...]
        }
        var specification = FormatSpecification(isTrusted: isTrusted)
        var isLeft = false
        var hasZeros = false
        while let flag = rest.first, "-+ #0".unicodeScalars.contains(flag) {
            switch flag {
            case "-": isLeft = true
            case "0": hasZeros = true
            case "#": specification.isAlternate = true
            case "+": specification.sign = "+"
            default: specification.sign = specification.sign ?? " "
            }
            rest.removeFirst()
        }
        guard let width = FormatSpecification.number(&rest) else { throw failure("a width is out of proportion") }
        specification.width = width
        if rest.first == "." {
            rest.removeFirst()
            guard let precision = FormatSpecification.number(&rest) else { throw failure("a precision is too large") }
            specification.precision = precision
        }
        guard let type = rest.popFirst() else { throw failure("a format string is incomplete") }
        if type == "%" { return format[(rest.startIndex - 1)..<rest.startIndex] }
        guard let value = key ?? arguments.popFirst() else {
            throw failure("a format string has more places than there are values")
        }
        specification.alignment = isLeft ? "<" : ">"
        if hasZeros, !isLeft, type != "s", type != "r" {
            specification.alignment = nil
            specification.fillWithZeros()
        }
        let text = try percentText(value, type, specification)
        return format.isMarkup ? text.escaped : text
    }

    private func percentText(
        _ value: Value,
        _ type: Unicode.Scalar,
        _ specification: FormatSpecification
    ) throws(TemplateError) -> Text {
        var specification = specification
        switch type {
        case "s": return try layOut(.string(try text(of: value)), specification)
        case "r", "a":
            var bytes: [UInt8] = []
            try appendRepresentation(of: value, to: &bytes)
            return try layOut(.string(Text(bytes, isTrusted: false)), specification)
        case "d", "i", "u":
            specification.type = "d"
            specification.precision = nil
            guard let number = value.doubleValue else { break }
            if value.integerValue != nil { return try layOut(value, specification) }
            guard let truncated = Int(exactly: number.rounded(.towardZero)) else { break }
            return try layOut(.integer(truncated), specification)
        case "x", "X", "o":
            specification.type = Character(type)
            specification.precision = nil
            guard value.integerValue != nil else { break }
            return try layOut(value, specification)
        case "e", "E", "f", "F", "g", "G":
            specification.type = Character(type)
            guard let number = value.doubleValue else { break }
            return try layOut(.float(number), specification)
        case "c":
            if let number = value.integerValue, let scalar = UInt32(exactly: number).flatMap(Unicode.Scalar.init) {
                return try layOut(.string(Text(String(scalar), isTrusted: false)), specification)
            }
            guard case .string(let text) = value, text.scalarCount == 1 else { break }
            return try layOut(value, specification)
        default: throw failure("a format string has an unknown conversion '\(type)'")
        }
        throw failure("'%\(type)' does not fit a value of type \(typeName(of: value))")
    }

    // MARK: - The method format

    /// Whether the fields are `{}` or `{0}`: a format string has one kind.
    private enum FieldNumbering { case unknown, automatic(next: Int), manual }

    func format(_ format: Text, _ arguments: Arguments) throws(TemplateError) -> Text {
        var result = Text()
        var numbering = FieldNumbering.unknown
        var position = 0
        var start = 0
        let bytes = format.bytes
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") else {
                position += 1
                continue
            }
            let isDoubled = position + 1 < bytes.count && bytes[position + 1] == byte
            if isDoubled {
                try append(format[start..<(position + 1)], to: &result)
                position += 2
                start = position
                continue
            }
            try append(format[start..<position], to: &result)
            guard byte == UInt8(ascii: "{"), let end = bytes[position...].firstIndex(of: UInt8(ascii: "}")) else {
                throw failure("a format string has a single brace")
            }
            let field = format[(position + 1)..<end]
            let text = try braceField(field, arguments, &numbering)
            try append(format.isMarkup ? text.escaped : text, to: &result)
            position = end + 1
            start = position
        }
        try append(format[start..<bytes.count], to: &result)
        result.isMarkup = format.isMarkup
        return result
    }

    /// `name!conversion:specification`; names lead to arguments and not into them.
    private func braceField(
        _ field: Text,
        _ arguments: Arguments,
        _ numbering: inout FieldNumbering
    ) throws(TemplateError) -> Text {
        let scalars = field.scalars
        let nameEnd = scalars.firstIndex { $0 == "!" || $0 == ":" } ?? scalars.count
        let name = String(String.UnicodeScalarView(scalars[..<nameEnd]))
        var rest = scalars[nameEnd...]
        var value = try argument(name, arguments, &numbering)
        if rest.first == "!" {
            let conversion = rest.dropFirst().first
            guard conversion == "s" || conversion == "r" else {
                throw failure("a format string has an unknown conversion")
            }
            var bytes: [UInt8] = []
            if conversion == "r" { try appendRepresentation(of: value, to: &bytes) }
            value = .string(conversion == "r" ? Text(bytes, isTrusted: false) : try text(of: value))
            rest = rest.dropFirst(2)
        }
        guard rest.count > 1 else { return try text(of: value) }
        guard rest.first == ":",
            let specification = FormatSpecification(Array(rest.dropFirst()), isTrusted: field.isTrusted)
        else {
            throw failure("a format string has an invalid field '\(field.string)'")
        }
        return try layOut(value, specification)
    }

    private func argument(
        _ name: String,
        _ arguments: Arguments,
        _ numbering: inout FieldNumbering
    ) throws(TemplateError) -> Value {
        if name.isEmpty || name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            let index: Int
            switch (numbering, name.isEmpty) {
            case (.unknown, true): index = 0
            case (.automatic(let next), true): index = next
            case (.unknown, false), (.manual, false): index = Int(name) ?? .max
            default: throw failure("a format string numbers some of its fields and not others")
            }
            numbering = name.isEmpty ? .automatic(next: index + 1) : .manual
            guard index < arguments.positional.count else {
                throw failure("a format string has more places than there are values")
            }
            return arguments.positional[index]
        }
        guard let value = arguments[keyword: name] else {
            throw failure("a format string names '\(name)', which is not an argument")
        }
        return value
    }
}
