// Attributes, items, slices and elements of values. Nothing here leads out of the data.

extension Interpreter {
    /// `value.name`: a method before an item, as in Python.
    func attribute(_ name: String, of value: Value) throws(TemplateError) -> Value {
        switch value {
        case .undefined(let undefined): throw failure(undefined.message)
        case .mapping(let mapping):
            if MappingMethod(rawValue: name) != nil { return .function(.method(name, of: value)) }
            if MappingMethod.forbidden.contains(name) { return Self.forbidden(name, of: "dict") }
            return mapping[name] ?? missing(name, of: value)
        case .string:
            return StringMethod(rawValue: name) == nil ? missing(name, of: value) : .function(.method(name, of: value))
        case .list, .tuple:
            if ListMethod(rawValue: name) != nil { return .function(.method(name, of: value)) }
            return ListMethod.forbidden.contains(name) ? Self.forbidden(name, of: "list") : missing(name, of: value)
        case .object(let id): return attribute(name, ofObject: id, value)
        default: return missing(name, of: value)
        }
    }

    private func missing(_ name: String, of value: Value) -> Value {
        .undefined(.attribute(name, ofType: typeName(of: value)))
    }

    /// The sandbox lets no template change the values that it was given.
    private static func forbidden(_ name: String, of type: String) -> Value {
        .undefined(.other("'\(name)' would change a \(type), which is not allowed"))
    }

    private func attribute(_ name: String, ofObject id: ObjectID, _ value: Value) -> Value {
        switch objects[id] {
        case .namespace(let mapping): return mapping[name] ?? missing(name, of: value)
        case .loop(let loop): return attribute(name, of: loop, value)
        case .cycler(let items, let position):
            switch name {
            case "current": return items[position]
            case "next", "reset": return .function(.method(name, of: value))
            default: return missing(name, of: value)
            }
        case .macro(let definition, _):
            return name == "name" ? .text(definition.name) : missing(name, of: value)
        case .joiner, .iterator: return missing(name, of: value)
        }
    }

    private func attribute(_ name: String, of loop: LoopState, _ value: Value) -> Value {
        let count = loop.elements.count
        switch name {
        case "index": return .integer(loop.index + 1)
        case "index0": return .integer(loop.index)
        case "revindex": return .integer(count - loop.index)
        case "revindex0": return .integer(count - loop.index - 1)
        case "first": return .bool(loop.index == 0)
        case "last": return .bool(loop.index == count - 1)
        case "length": return .integer(count)
        case "depth": return .integer(loop.recursionDepth + 1)
        case "depth0": return .integer(loop.recursionDepth)
        case "previtem":
            return loop.index > 0 ? loop.elements[loop.index - 1] : .undefined(.other("there is no previous item"))
        case "nextitem":
            let next = loop.index + 1
            return next < count ? loop.elements[next] : .undefined(.other("there is no next item"))
        case "cycle", "changed": return .function(.method(name, of: value))
        default: return missing(name, of: value)
        }
    }

    // MARK: - Items

    /// `value[key]`: an item before an attribute.
    func item(_ key: Value, of value: Value) throws(TemplateError) -> Value {
        switch value {
        case .undefined(let undefined): throw failure(undefined.message)
        case .mapping(let mapping):
            if let identity = Mapping.Identity(key), let item = mapping[identity] { return item }
        case .list(let list), .tuple(let list):
            if let index = position(key, count: list.elements.count) { return list.elements[index] }
        case .range(let range):
            if let index = position(key, count: range.count) { return .integer(range[index]) }
        case .string(let text):
            guard key.integerValue != nil else { break }
            try charge(bytes: text.bytes.count)
            let offsets = text.scalarOffsets
            if let index = position(key, count: offsets.count - 1) {
                return .string(text[offsets[index]..<offsets[index + 1]])
            }
        default: break
        }
        guard case .string(let name) = key else {
            return .undefined(.other("\(typeName(of: value)) object has no element \(try brief(key))"))
        }
        return try attribute(name.string, of: value)
    }

    /// Counted from the end if negative; nil when there is no such element.
    private func position(_ key: Value, count: Int) -> Int? {
        guard let index = key.integerValue else { return nil }
        let position = index < 0 ? index + count : index
        return (0..<count).contains(position) ? position : nil
    }

    /// `value[start:stop:step]`, with Python's treatment of bounds beyond the ends.
    func slice(_ value: Value, from start: Int?, to stop: Int?, step: Int) throws(TemplateError) -> Value {
        guard step != 0 else { throw failure("the step of a slice must not be zero") }
        switch value {
        case .string(let text):
            try charge(bytes: text.bytes.count)
            let offsets = text.scalarOffsets
            let indices = Self.indices(start, stop, step, count: offsets.count - 1)
            guard step != 1 else {
                guard let first = indices.first, let last = indices.last else { return .string(Text()) }
                return .string(text[offsets[first]..<offsets[last + 1]])
            }
            var result = Text()
            for index in indices { result.append(text[offsets[index]..<offsets[index + 1]]) }
            return .string(result)
        case .list(let list): return .list(try self.list(sliced(list, start, stop, step)))
        case .tuple(let list): return .tuple(try self.list(sliced(list, start, stop, step)))
        case .range(let range):
            let list = try self.list(range.elements)
            return .list(try self.list(sliced(list, start, stop, step)))
        case .undefined(let undefined): throw failure(undefined.message)
        default: throw failure("a value of type \(typeName(of: value)) can't be sliced")
        }
    }

    private func sliced(_ list: List, _ start: Int?, _ stop: Int?, _ step: Int) -> [Value] {
        Self.indices(start, stop, step, count: list.elements.count).map { list.elements[$0] }
    }

    private static func indices(_ start: Int?, _ stop: Int?, _ step: Int, count: Int) -> [Int] {
        let lowest = step > 0 ? 0 : -1
        let highest = step > 0 ? count : count - 1
        func bounded(_ bound: Int?, default other: Int) -> Int {
            guard let bound else { return other }
            return min(max(bound < 0 ? bound + count : bound, lowest), highest)
        }
        let from = bounded(start, default: step > 0 ? lowest : highest)
        let to = bounded(stop, default: step > 0 ? highest : lowest)
        // A step beyond the length takes one element; bounding it keeps the stride from overflowing.
        return Array(stride(from: from, to: to, by: min(max(step, -count - 1), count + 1)))
    }

    // MARK: - Elements

    /// What a loop over the value walks through; an iterator is walked to its end.
    func elements(of value: Value) throws(TemplateError) -> [Value] {
        switch value {
        case .undefined: return []
        case .list(let list), .tuple(let list):
            try charge(list.elements.count)
            return list.elements
        case .mapping(let mapping):
            try charge(mapping.count)
            return mapping.keys
        case .view(let view):
            try charge(view.mapping.count)
            return view.elements
        case .range(let range):
            try charge(range.count)
            return range.elements
        case .string(let text):
            try charge(text.bytes.count)
            let offsets = text.scalarOffsets
            return zip(offsets, offsets.dropFirst()).map { .string(text[$0..<$1]) }
        case .object(let id):
            guard case .iterator(let elements, let position) = objects[id] else { break }
            update(id, to: .iterator([], position: 0))
            return Array(elements[position...])
        default: break
        }
        throw failure("a value of type \(typeName(of: value)) has no elements to walk through")
    }

    /// Python's `len`.
    func length(of value: Value) throws(TemplateError) -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text):
            try charge(bytes: text.bytes.count)
            return text.scalarCount
        case .list(let list), .tuple(let list): return list.elements.count
        case .mapping(let mapping): return mapping.count
        case .view(let view): return view.mapping.count
        case .range(let range): return range.count
        case .object(let id):
            if case .loop(let loop) = objects[id] { return loop.elements.count }
        default: break
        }
        throw failure("a value of type \(typeName(of: value)) has no length")
    }

    func typeName(of value: Value) -> String {
        switch value {
        case .undefined: return "Undefined"
        case .none: return "NoneType"
        case .bool: return "bool"
        case .integer: return "int"
        case .float: return "float"
        case .string: return "str"
        case .list: return "list"
        case .tuple: return "tuple"
        case .mapping: return "dict"
        case .view(let view): return view.kind.rawValue
        case .range: return "range"
        case .function: return "function"
        case .object(let id):
            switch objects[id] {
            case .namespace: return "Namespace"
            case .macro: return "Macro"
            case .loop: return "LoopContext"
            case .cycler: return "Cycler"
            case .joiner: return "Joiner"
            case .iterator: return "generator"
            }
        }
    }
}
