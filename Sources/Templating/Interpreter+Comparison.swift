// Truth, equality and order of values, as Python has them. Where a text comes from makes no difference.

extension Interpreter {
    func isTrue(_ value: Value) -> Bool {
        switch value {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let list), .tuple(let list): !list.elements.isEmpty
        case .mapping(let mapping): mapping.count > 0
        case .view(let view): view.mapping.count > 0
        case .range(let range): range.count > 0
        case .function, .object: true
        }
    }

    func compare(_ left: Value, _ comparison: ComparisonOperator, _ right: Value) throws(TemplateError) -> Bool {
        switch comparison {
        case .equal: try areEqual(left, right)
        case .notEqual: try !areEqual(left, right)
        case .less: try isLess(left, right)
        case .lessOrEqual: try isLess(left, right, orEqual: true)
        case .greater: try isLess(right, left)
        case .greaterOrEqual: try isLess(right, left, orEqual: true)
        case .isIn: try contains(right, left)
        case .isNotIn: try !contains(right, left)
        }
    }

    /// Recurses no deeper than values nest; pays for each element, since parts may be shared many times over.
    func areEqual(_ left: Value, _ right: Value) throws(TemplateError) -> Bool {
        try charge(1)
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let left), .string(let right)):
            guard left.bytes.count == right.bytes.count else { return false }
            try charge(bytes: left.bytes.count)
            return left == right
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            guard left.elements.count == right.elements.count else { return false }
            for (left, right) in zip(left.elements, right.elements) where try !areEqual(left, right) { return false }
            return true
        case (.mapping(let left), .mapping(let right)):
            guard left.count == right.count else { return false }
            for entry in left.entries {
                guard let identity = Mapping.Identity(entry.key), let other = right[identity],
                    try areEqual(entry.value, other)
                else { return false }
            }
            return true
        case (.range(let left), .range(let right)):
            return try areEqual(.list(try list(left.elements)), .list(try list(right.elements)))
        case (.object(let left), .object(let right)): return left == right
        default:
            if let left = left.integerValue, let right = right.integerValue { return left == right }
            guard let left = left.doubleValue, let right = right.doubleValue else { return false }
            return left == right
        }
    }

    func isLess(_ left: Value, _ right: Value, orEqual: Bool = false) throws(TemplateError) -> Bool {
        try charge(1)
        switch (left, right) {
        case (.string(let left), .string(let right)):
            try charge(bytes: min(left.bytes.count, right.bytes.count))
            // The order of UTF-8's bytes is that of the code points.
            return orEqual
                ? !right.bytes.lexicographicallyPrecedes(left.bytes)
                : left.bytes.lexicographicallyPrecedes(right.bytes)
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            for (left, right) in zip(left.elements, right.elements) where try !areEqual(left, right) {
                return try isLess(left, right, orEqual: orEqual)
            }
            let (left, right) = (left.elements.count, right.elements.count)
            return orEqual ? left <= right : left < right
        case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw failure(undefined.message)
        default:
            if let left = left.integerValue, let right = right.integerValue {
                return orEqual ? left <= right : left < right
            }
            if let left = left.doubleValue, let right = right.doubleValue {
                return orEqual ? left <= right : left < right
            }
            throw failure("values of type \(typeName(of: left)) and \(typeName(of: right)) have no order")
        }
    }

    /// `element in container`.
    func contains(_ container: Value, _ element: Value) throws(TemplateError) -> Bool {
        switch container {
        case .string(let text):
            guard case .string(let part) = element else {
                if case .undefined(let undefined) = element { throw failure(undefined.message) }
                throw failure("only a string can be in a string, not a value of type \(typeName(of: element))")
            }
            try charge(bytes: text.bytes.count)
            return text.firstOffset(of: part, in: 0..<text.bytes.count) != nil
        case .mapping(let mapping):
            return mapping[try identity(of: element)] != nil
        case .object(let id):
            guard case .namespace = objects[id] else { break }
            throw failure("a namespace can't be searched")
        default: break
        }
        for candidate in try elements(of: container) where try areEqual(candidate, element) { return true }
        return false
    }

    /// What makes a value the key that it is.
    func identity(of key: Value) throws(TemplateError) -> Mapping.Identity {
        guard let identity = Mapping.Identity(key) else {
            throw failure("a value of type \(typeName(of: key)) can't be a key")
        }
        return identity
    }

    // MARK: - Sorting

    /// The positions of `keys` in ascending order, equal ones in the order given (or both reversed for descending).
    func sortedPositions(of keys: [Value], descending: Bool) throws(TemplateError) -> [Int] {
        try charge(keys.count)
        var positions = Array(keys.indices)
        var width = 1
        while width < positions.count {
            var merged: [Int] = []
            merged.reserveCapacity(positions.count)
            for start in stride(from: 0, to: positions.count, by: 2 * width) {
                let middle = min(start + width, positions.count)
                let end = min(start + 2 * width, positions.count)
                var (left, right) = (start, middle)
                while left < middle, right < end {
                    let (first, second) = (keys[positions[left]], keys[positions[right]])
                    let takesSecond = try descending ? isLess(first, second) : isLess(second, first)
                    merged.append(positions[takesSecond ? right : left])
                    if takesSecond { right += 1 } else { left += 1 }
                }
                merged += positions[left..<middle]
                merged += positions[right..<end]
            }
            positions = merged
            width *= 2
        }
        return positions
    }
}
