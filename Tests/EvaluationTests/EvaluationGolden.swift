// The golden file made by tools/evaluation-golden.py.

import Foundation
import JSON
import Primitives
import Testing

/// Two tables of logits and what SciPy makes of them.
struct EvaluationGolden {
    let document: JSONValue
    let tokens: [TokenID]
    let logits: [[Float]]
    let reference: [[Float]]

    init() throws {
        let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/evaluation.json")
        document = try JSONParser.parse([UInt8](Data(contentsOf: url)))
        tokens = try #require(document["tokens"]?.arrayValue).compactMap { $0.integerValue.map { TokenID($0) } }
        logits = try Self.table("logits", in: document)
        reference = try Self.table("reference", in: document)
    }

    func number(_ keys: String...) throws -> Double {
        try #require(keys.reduce(document) { $0?[$1] }?.doubleValue)
    }

    func numbers(_ keys: String...) throws -> [Double] {
        try #require(keys.reduce(document) { $0?[$1] }?.arrayValue).compactMap(\.doubleValue)
    }

    private static func table(_ name: String, in document: JSONValue) throws -> [[Float]] {
        let width = Int(try #require(document["vocabulary"]?.integerValue))
        let values = try #require(document[name]?.arrayValue).compactMap { value in
            value.integerValue.map { Float(bitPattern: UInt32($0)) }
        }
        return stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
    }
}

/// Whether two numbers agree to within a share of the second.
func agree(_ value: Double, _ expected: Double, within share: Double = 1e-12) -> Bool {
    (value - expected).magnitude <= share * expected.magnitude
}
