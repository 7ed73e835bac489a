// The golden files made by tools/gptq-golden.py.

import Foundation
import JSON
import Kernels
import Primitives
import Quantization
import Testing

enum GPTQGolden {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    static func document(_ name: String) throws -> JSONValue {
        try JSONParser.parse([UInt8](Data(contentsOf: folder.appending(path: "\(name).json"))), limits: .file)
    }

    /// Inputs [tokens, columns] and then weights [rows, columns].
    static func floats() throws -> [Float] {
        let data = try Data(contentsOf: folder.appending(path: "gptq.f32"))
        return data.withUnsafeBytes { bytes in
            (0..<data.count / 4).map {
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
            }
        }
    }

    static func recipe(_ value: JSONValue) throws -> QuantizationRecipe {
        var recipe = QuantizationRecipe()
        recipe.bits = Int(try #require(value["bits"]?.integerValue))
        let group = Int(try #require(value["group"]?.integerValue))
        recipe.groupSize = group == -1 ? nil : group
        recipe.isSymmetric = try #require(value["sym"]?.boolValue)
        recipe.ordersByActivation = try #require(value["act_order"]?.boolValue)
        recipe.scaleSearch = try #require(
            value["search"]?.stringValue.flatMap { QuantizationRecipe.ScaleSearch(rawValue: $0) })
        return recipe
    }
}

extension JSONValue {
    /// An array of whole numbers.
    func integers(_ key: String) throws -> [Int] {
        let values = try #require(self[key]?.arrayValue)
        let integers = values.compactMap { $0.integerValue.map { Int($0) } }
        try #require(integers.count == values.count)
        return integers
    }

    /// An array of fp32 numbers given by their bits.
    func floats(_ key: String) throws -> [Float] {
        try integers(key).map { Float(bitPattern: UInt32($0)) }
    }
}

extension FloatMatrix {
    /// - Parameter values: Shape [rows, columns].
    init(_ values: ArraySlice<Float>, rows: Int, columns: Int, in arena: Arena) throws {
        self = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: "test")
        for row in 0..<rows {
            for column in 0..<columns { self[row, column] = values[values.startIndex + row * columns + column] }
        }
    }

    var elements: [Float] {
        (0..<rowCount).flatMap { row in (0..<columnCount).map { self[row, $0] } }
    }
}

/// One layer's weights and inputs, ready to be rounded.
struct TestLayer {
    let arena = Arena()
    let pool: WorkerPool
    let weights: FloatMatrix
    let inputs: FloatMatrix

    init(weights: ArraySlice<Float>, rows: Int, inputs: ArraySlice<Float>, tokens: Int, columns: Int) throws {
        pool = try WorkerPool(workerCount: 2)
        self.weights = try FloatMatrix(weights, rows: rows, columns: columns, in: arena)
        self.inputs = try FloatMatrix(inputs, rows: tokens, columns: columns, in: arena)
    }

    struct Outcome {
        let rounded: RoundedModule
        let error: Double
    }

    /// - Parameter chunk: Inputs that are added at a time.
    func quantize(_ recipe: QuantizationRecipe, chunk: Int = 512) throws -> Outcome {
        let workspace = try QuantizerWorkspace(
            largestDimension: max(weights.rowCount, weights.columnCount), inputsAtOnce: 64, instructionSet: .best,
            pool: pool)
        let statistics = try InputStatistics(
            columnCount: weights.columnCount, totalCount: inputs.rowCount, workspace: workspace, in: arena)
        for start in stride(from: 0, to: inputs.rowCount, by: chunk) {
            let count = min(chunk, inputs.rowCount - start)
            let piece = try FloatMatrix(rows: chunk, columns: inputs.columnCount, in: arena, purpose: "test")
            for row in 0..<count { inputs.copyRow(start + row, to: row, of: piece) }
            statistics.add(piece, count: count)
        }
        try #require(statistics.complete())
        let rounding = ModuleRounding(recipe, workspace: workspace)
        let rounded: RoundedModule
        switch recipe.method {
        case .rtn: rounded = try rounding.roundToNearest(weights, in: arena)
        case .gptq:
            let factor = try SiteFactor(statistics, recipe, workspace: workspace, module: "test", in: arena)
            rounded = try rounding.roundByGPTQ(weights, along: factor, in: arena)
        }
        return Outcome(
            rounded: rounded, error: try statistics.relativeError(of: rounded.values, weights, in: arena))
    }
}
