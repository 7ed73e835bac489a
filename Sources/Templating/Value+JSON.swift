// What comes from outside becomes a value, marked with its origin.

import JSON

extension Value {
    /// - Throws: When the value nests deeper than `depthLimit`.
    init(_ json: JSONValue, isTrusted: Bool, depthLimit: Int) throws(TemplateError) {
        guard depthLimit >= 0 else { throw .limitExceeded(.valueDepth(Self.greatestDepth), line: 1) }
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(Int(value))
        case .number(let value): self = .float(value)
        case .string(let value): self = .string(Text(value, isTrusted: isTrusted))
        case .array(let elements):
            var values: [Value] = []
            values.reserveCapacity(elements.count)
            for element in elements {
                values.append(try Value(element, isTrusted: isTrusted, depthLimit: depthLimit - 1))
            }
            self = .list(List(values))
        case .object(let object):
            var mapping = Mapping()
            for member in object.members {
                let key = Text(member.key, isTrusted: isTrusted)
                let value = try Value(member.value, isTrusted: isTrusted, depthLimit: depthLimit - 1)
                mapping.set(.string(key), .string(key.bytes), to: value)
            }
            self = .mapping(mapping)
        }
    }

    /// Enough for any conversation, and little enough to walk a value recursively on the smallest stack of a thread.
    static let greatestDepth = 128
}
