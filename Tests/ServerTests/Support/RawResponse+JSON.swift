import JSON
import Testing

extension RawResponse {
    var json: JSONValue? { try? JSONParser.parse(body) }

    /// `error.param` and the like.
    func error(_ member: String) -> JSONValue? { json?["error"]?[member] }

    /// The `data:` lines of a stream, without `[DONE]`, each as JSON.
    func events() throws -> [JSONValue] {
        let lines = body.components(separatedBy: "\n\n").filter { !$0.isEmpty }
        #expect(lines.last == "data: [DONE]")
        return try lines.dropLast().map { line in
            #expect(line.hasPrefix("data: "))
            return try JSONParser.parse(String(line.dropFirst(6)))
        }
    }
}

extension JSONValue {
    var text: String? { stringValue }
    var int: Int? { integerValue.map { Int($0) } }
    subscript(index: Int) -> JSONValue? {
        guard let elements = arrayValue, elements.indices.contains(index) else { return nil }
        return elements[index]
    }
}
