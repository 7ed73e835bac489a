// Filters that walk through the elements of a value. Where Python gives a generator, so do these.

extension Interpreter {
    func apply(_ filter: SequenceFilter, to value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch filter {
        case .join: return .string(try join(value, arguments))
        case .map: return try map(value, arguments)
        case .select, .reject, .selectattr, .rejectattr: return try choose(filter, value, arguments)
        case .dictsort: return try dictsort(value, arguments)
        case .sort: return try sort(value, arguments)
        case .unique: return try unique(value, arguments)
        case .batch, .slice: return try cut(filter, value, arguments)
        case .groupby: return try group(value, arguments)
        case .sum: return try sum(value, arguments)
        case .min, .max: return try extreme(filter, value, arguments)
        default: break
        }
        _ = try bind(arguments, to: [], of: filter.rawValue)
        switch filter {
        case .length, .count: return .integer(try length(of: value))
        case .first: return try first(of: value)
        case .last: return try last(of: value)
        case .items:
            if value.isUndefined { return try iterator(over: []) }
            guard case .mapping(let mapping) = value else { throw failure("'items' needs a mapping") }
            return try iterator(over: mapping.items)
        case .reverse:
            if case .string(let text) = value { return try slice(.string(text), from: nil, to: nil, step: -1) }
            return try iterator(over: try elements(of: value).reversed())
        default: return .list(try list(try elements(of: value)))
        }
    }

    private func join(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Text {
        let values = try bind(arguments, to: ["d", "attribute"], of: "join")
        let separator = try text(of: values[0] ?? .string(Text()))
        var result = Text()
        for (index, element) in try elements(of: value).enumerated() {
            if index > 0 { try append(separator, to: &result) }
            try append(try text(of: try attribute(values[1], of: element)), to: &result)
        }
        return result
    }

    private func first(of value: Value) throws(TemplateError) -> Value {
        // A generator gives its next element and stays where it is then.
        if case .object(let id) = value, case .iterator(let elements, let position) = objects[id] {
            guard position < elements.count else { return .undefined(.other("the sequence was empty")) }
            update(id, to: .iterator(elements, position: position + 1))
            return elements[position]
        }
        if case .string(let text) = value {
            guard !text.isEmpty else { return .undefined(.other("the sequence was empty")) }
            return .string(text[0..<text.scalar(at: 0).end])
        }
        return try elements(of: value).first ?? .undefined(.other("the sequence was empty"))
    }

    private func last(of value: Value) throws(TemplateError) -> Value {
        switch value {
        case .object: throw failure("a value of type \(typeName(of: value)) has no last element")
        case .string(let text):
            guard !text.isEmpty else { break }
            return .string(text[text.scalar(before: text.bytes.count).start..<text.bytes.count])
        default:
            if let last = try elements(of: value).last { return last }
        }
        return .undefined(.other("the sequence was empty"))
    }

    // MARK: - Attributes

    /// Follows a path like `"function.name"` or `"0.id"`; nil or None means the element itself.
    private func attribute(_ path: Value?, of element: Value, default other: Value? = nil) throws(TemplateError)
        -> Value
    {
        var result = element
        switch path {
        case nil, .some(.none): return element
        case .string(let path):
            for part in path.split(by: Text(".", isTrusted: true), limit: .max) {
                let index = part.bytes.allSatisfy { (0x30...0x39).contains($0) } ? Int(part.string) : nil
                result = try item(index.map(Value.integer) ?? .string(part), of: result)
                if result.isUndefined, let other { result = other }
            }
            return result
        case let key?: return try item(key, of: element)
        }
    }

    /// For comparisons that take no notice of case.
    private func foldingCase(_ value: Value, _ isCaseSensitive: Bool) throws(TemplateError) -> Value {
        guard !isCaseSensitive, case .string(let text) = value else { return value }
        try charge(bytes: text.bytes.count)
        return .string(text.lowercased)
    }

    private func keys(
        of elements: [Value],
        _ path: Value?,
        isCaseSensitive: Bool,
        default other: Value? = nil
    ) throws(TemplateError) -> [Value] {
        var keys: [Value] = []
        for element in elements {
            keys.append(try foldingCase(try attribute(path, of: element, default: other), isCaseSensitive))
        }
        return keys
    }

    // MARK: - Choosing and changing

    private func map(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        var results: [Value] = []
        if arguments.positional.isEmpty {
            let values = try bind(arguments, to: ["attribute", "default"], required: 1, of: "map")
            for element in try elements(of: value) {
                results.append(try attribute(values[0], of: element, default: values[1]))
            }
            return try iterator(over: results)
        }
        var rest = arguments
        let name = try string(rest.positional.removeFirst(), "the name of a filter").string
        for element in try elements(of: value) { results.append(try apply(name, to: element, rest)) }
        return try iterator(over: results)
    }

    private func choose(_ filter: SequenceFilter, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value
    {
        guard isTrue(value) else { return try iterator(over: []) }
        var rest = arguments
        var path: Value?
        if filter == .selectattr || filter == .rejectattr {
            guard !rest.positional.isEmpty else { throw failure("'\(filter.rawValue)' needs the name of an attribute") }
            path = rest.positional.removeFirst()
        }
        let test =
            rest.positional.isEmpty ? nil : try string(rest.positional.removeFirst(), "the name of a test").string
        let keepsPassing = filter == .select || filter == .selectattr
        var chosen: [Value] = []
        for element in try elements(of: value) {
            let subject = try attribute(path, of: element)
            let passes = try test.map { (name) throws(TemplateError) in try self.test(name, subject, rest) }
            if passes ?? isTrue(subject) == keepsPassing { chosen.append(element) }
        }
        return try iterator(over: chosen)
    }

    private func unique(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["case_sensitive", "attribute"], of: "unique")
        let elements = try elements(of: value)
        let keys = try keys(of: elements, values[1], isCaseSensitive: flag(values[0]))
        var seen: Set<Mapping.Identity> = []
        var kept: [Value] = []
        for (element, key) in zip(elements, keys) where seen.insert(try identity(of: key)).inserted {
            kept.append(element)
        }
        return try iterator(over: kept)
    }

    private func cut(_ filter: SequenceFilter, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["count", "fill_with"], required: 1, of: filter.rawValue)
        let count = try integer(values[0], default: 1, "the count")
        let elements = try elements(of: value)
        guard count > 0 else { throw failure("'\(filter.rawValue)' needs a positive number") }
        try charge(count)
        var fill = values[1]
        if case .some(.none) = fill { fill = nil }
        var parts: [Value] = []
        var start = 0
        let partCount = filter == .slice ? count : (elements.count + count - 1) / count
        for index in 0..<partCount {
            let isLonger = index < elements.count % count
            let length = filter == .slice ? elements.count / count + (isLonger ? 1 : 0) : count
            var part = Array(elements[start..<min(start + length, elements.count)])
            start += part.count
            if let fill {
                if filter == .batch { part += Array(repeating: fill, count: count - part.count) }
                if filter == .slice, !isLonger { part.append(fill) }
            }
            parts.append(.list(try list(part)))
        }
        return try iterator(over: parts)
    }

    // MARK: - Order

    private func dictsort(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["case_sensitive", "by", "reverse"], of: "dictsort")
        guard case .mapping(let mapping) = value else { throw failure("'dictsort' needs a mapping") }
        let by = try optionalString(values[1], "what is sorted by")?.string ?? "key"
        guard by == "key" || by == "value" else { throw failure("a mapping is sorted by 'key' or by 'value'") }
        try charge(mapping.count)
        let subjects = mapping.entries.map { by == "key" ? $0.key : $0.value }
        let keys = try keys(of: subjects, nil, isCaseSensitive: flag(values[0]))
        let positions = try sortedPositions(of: keys, descending: flag(values[2]))
        let items = mapping.items
        return .list(try list(positions.map { items[$0] }))
    }

    private func sort(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["reverse", "case_sensitive", "attribute"], of: "sort")
        let elements = try elements(of: value)
        var paths: [Value?] = [values[2]]
        if case .string(let path) = values[2] {
            paths = path.split(by: Text(",", isTrusted: true), limit: .max).map(Value.string)
        }
        var keys: [Value] = []
        for element in elements {
            var parts: [Value] = []
            for path in paths {
                parts.append(try foldingCase(try attribute(path, of: element), flag(values[1])))
            }
            keys.append(.list(try list(parts)))
        }
        let positions = try sortedPositions(of: keys, descending: flag(values[0]))
        return .list(try list(positions.map { elements[$0] }))
    }

    private func group(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["attribute", "default", "case_sensitive"], required: 1, of: "groupby")
        let elements = try elements(of: value)
        var other = values[1]
        if case .some(.none) = other { other = nil }
        let keys = try keys(of: elements, values[0], isCaseSensitive: flag(values[2]), default: other)
        var groups: [Value] = []
        var members: [Value] = []
        let positions = try sortedPositions(of: keys, descending: false)
        for (rank, position) in positions.enumerated() {
            members.append(elements[position])
            let isLast = rank + 1 == positions.count
            if !isLast, try areEqual(keys[position], keys[positions[rank + 1]]) { continue }
            let name = try attribute(values[0], of: members[0], default: other)
            groups.append(.tuple(try list([name, .list(try list(members))])))
            members = []
        }
        return .list(try list(groups))
    }

    private func extreme(_ filter: SequenceFilter, _ value: Value, _ arguments: Arguments) throws(TemplateError)
        -> Value
    {
        let values = try bind(arguments, to: ["case_sensitive", "attribute"], of: filter.rawValue)
        let elements = try elements(of: value)
        let keys = try keys(of: elements, values[1], isCaseSensitive: flag(values[0]))
        guard var best = keys.indices.first else { return .undefined(.other("the sequence was empty")) }
        for index in keys.indices.dropFirst() {
            let isBetter = try filter == .min ? isLess(keys[index], keys[best]) : isLess(keys[best], keys[index])
            if isBetter { best = index }
        }
        return elements[best]
    }

    private func sum(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let values = try bind(arguments, to: ["attribute", "start"], of: "sum")
        var total = values[1] ?? .integer(0)
        if case .string = total { throw failure("strings can't be summed; join them") }
        for element in try elements(of: value) { total = try sum(total, try attribute(values[0], of: element)) }
        return total
    }
}
