// What an expression of a template can be: Python's data, and nothing that leads anywhere else.

/// A value of a template; containers never change once made, since the sandbox of Transformers forbids it.
enum Value: Sendable {
    case undefined(Undefined)
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(Text)
    case list(List)
    case tuple(List)
    case mapping(Mapping)
    case view(MappingView)
    case range(IntegerRange)
    case function(Function)
    /// Things with a state or an identity, which live in the interpreter: no cycles, no chains to free.
    case object(ObjectID)
}

/// The index of an object of the interpreter.
typealias ObjectID = Int

/// A value that is not there, and why: told when something is asked of it.
enum Undefined: Sendable {
    case name(String)
    case attribute(String, ofType: String)
    case other(String)

    var message: String {
        switch self {
        case .name(let name): "'\(name)' is undefined"
        case .attribute(let name, let type): "'\(type)' has no attribute '\(name)'"
        case .other(let message): message
        }
    }
}

/// The elements of a list or tuple, and how deep they nest: nothing may recurse without bound.
struct List: Sendable {
    let elements: [Value]
    let depth: Int

    init(_ elements: [Value]) {
        self.elements = elements
        depth = 1 + (elements.lazy.map(\.depth).max() ?? 0)
    }
}

/// The keys, values or items of a mapping: has a length, but no positions.
struct MappingView: Sendable {
    enum Kind: String, Sendable { case keys = "dict_keys", values = "dict_values", items = "dict_items" }

    let kind: Kind
    let mapping: Mapping

    var elements: [Value] {
        switch kind {
        case .keys: mapping.keys
        case .values: mapping.entries.map(\.value)
        case .items: mapping.items
        }
    }
}

/// Python's `range`.
struct IntegerRange: Sendable {
    let start: Int
    let count: Int
    let step: Int

    /// - Parameter step: Not 0.
    init(from start: Int, to stop: Int, step: Int) {
        self.start = start
        self.step = step
        let isEmpty = step > 0 ? start >= stop : start <= stop
        let distance = step > 0 ? UInt(bitPattern: stop &- start) : UInt(bitPattern: start &- stop)
        count = isEmpty ? 0 : Int(clamping: (distance &- 1) / step.magnitude &+ 1)
    }

    /// - Parameter index: Below `count`, so that the element lies between start and stop.
    subscript(index: Int) -> Int { start &+ index &* step }

    var elements: [Value] { (0..<count).map { .integer(self[$0]) } }
}

/// What can be called and is not written in the template.
enum Function: Sendable {
    case global(GlobalFunction)
    /// A method, bound to a value that has it.
    indirect case method(String, of: Value)
}

extension Value {
    /// How many containers are within each other.
    var depth: Int {
        switch self {
        case .list(let list), .tuple(let list): list.depth
        case .mapping(let mapping): mapping.depth
        case .view(let view): view.mapping.depth + 1
        case .function(.method(_, let receiver)): receiver.depth + 1
        default: 0
        }
    }

    var isUndefined: Bool {
        if case .undefined = self { true } else { false }
    }

    /// Numbers as Python's arithmetic sees them: True is 1.
    var integerValue: Int? {
        switch self {
        case .integer(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    var doubleValue: Double? {
        if case .float(let value) = self { value } else { integerValue.map(Double.init) }
    }

    var textValue: Text? {
        if case .string(let text) = self { text } else { nil }
    }

    static func text(_ string: String) -> Value { .string(Text(string, isTrusted: true)) }
}
