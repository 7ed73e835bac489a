import JSON
import Kernels
import Primitives
import Quantization
import Testing

@Suite("Rounding of a module")
struct ModuleRoundingTests {
    private static let names = [
        "symmetric", "asymmetric, 3 bits", "act-order", "one group, 8 bits", "searched scales",
        "searched scales, 2 bits, act-order",
    ]

    @Test("codes, grids, order and words are those of GPTQ done column by column in fp64", arguments: names)
    func golden(name: String) throws {
        let document = try GPTQGolden.document("gptq"), floats = try GPTQGolden.floats()
        let rows = Int(try #require(document["rows"]?.integerValue))
        let columns = Int(try #require(document["columns"]?.integerValue))
        let tokens = Int(try #require(document["tokens"]?.integerValue))
        #expect(Set(try #require(document["cases"]?.objectValue).keys) == Set(Self.names))
        let expected = try #require(document["cases"]?[name])
        let recipe = try GPTQGolden.recipe(expected)
        let layer = try TestLayer(
            weights: floats[(tokens * columns)...], rows: rows, inputs: floats[..<(tokens * columns)], tokens: tokens,
            columns: columns)
        let outcome = try layer.quantize(recipe), rounded = outcome.rounded
        #expect(try rounded.codes.elements.map { Int($0) } == expected.integers("codes"))
        let scales = rounded.scales.elements, exact = try expected.floats("scales")
        // Two ranges may clip a group as well; then fp32 and fp64 may take either, which is a step of fp16 away.
        let isSearched = recipe.scaleSearch == .mse
        #expect(scales.count == exact.count)
        #expect(zip(scales, exact).allSatisfy { abs($0 - $1) <= (isSearched ? 0.001 * $1 : 0) })
        #expect(zip(scales, exact).count { $0 != $1 } * 50 <= scales.count)
        #expect(try rounded.zeroPoints.elements.map { Int($0) } == expected.integers("zero_points"))
        #expect(try rounded.groupOfColumn.map { Int($0) } == expected.integers("group_of_column"))
        #expect(
            try rounded.codeWords(bits: recipe.bits).map { Int(UInt32(littleEndian: $0)) }
                == expected.integers("qweight"))
        #expect(
            try rounded.zeroPointWords(bits: recipe.bits).map { Int(UInt32(littleEndian: $0)) }
                == expected.integers("qzeros"))
        let error = try #require(expected["error"]?.doubleValue)
        #expect((outcome.error - error).magnitude < 1e-3 * error)
    }

    /// Inputs of 512 tokens that go together, and weights.
    private func layer(seed: UInt64, rows: Int, columns: Int) throws -> TestLayer {
        var random = SplitMix64(state: seed)
        let tokens = 512, factors = 12
        let mixing = (0..<factors * columns).map { _ in random.normal() }
        var inputs: [Float] = []
        for _ in 0..<tokens {
            let hidden = (0..<factors).map { _ in random.normal() }
            for column in 0..<columns {
                var value = 0.4 * random.normal()
                for factor in 0..<factors { value += hidden[factor] * mixing[factor * columns + column] }
                inputs.append(value)
            }
        }
        let weights = (0..<rows * columns).map { _ in 0.05 * random.normal() }
        return try TestLayer(weights: weights[...], rows: rows, inputs: inputs[...], tokens: tokens, columns: columns)
    }

    @Test("inputs may come in any pieces: sums differ by rounding alone, and with them a code at a border")
    func pieces() throws {
        let layer = try layer(seed: 8, rows: 24, columns: 160)
        var recipe = QuantizationRecipe()
        recipe.groupSize = 32
        let whole = try layer.quantize(recipe), pieces = try layer.quantize(recipe, chunk: 100)
        let different = zip(whole.rounded.codes.elements, pieces.rounded.codes.elements).count { $0 != $1 }
        #expect(different * 50 <= 24 * 160)
        #expect((pieces.error / whole.error - 1).magnitude < 0.2)
    }

    @Test(
        "GPTQ's output error is below that of rounding to nearest where inputs go together",
        arguments: [(1, 2), (2, 3), (3, 4), (4, 8)])
    func belowRoundToNearest(seed: UInt64, bits: Int) throws {
        let layer = try layer(seed: seed, rows: 40, columns: 320)
        for isSymmetric in [true, false] {
            var recipe = QuantizationRecipe()
            recipe.bits = bits
            recipe.groupSize = 64
            recipe.isSymmetric = isSymmetric
            let gptq = try layer.quantize(recipe)
            recipe.ordersByActivation = true
            let ordered = try layer.quantize(recipe)
            recipe.ordersByActivation = false
            recipe.method = .rtn
            let nearest = try layer.quantize(recipe)
            #expect(gptq.error < 0.6 * nearest.error && ordered.error < 0.6 * nearest.error)
            #expect(gptq.error > 0)
        }
    }

    @Test("codes mean the values that they are said to mean, in groups of the order of columns")
    func meaning() throws {
        let layer = try layer(seed: 9, rows: 16, columns: 96)
        var recipe = QuantizationRecipe()
        recipe.groupSize = 32
        recipe.isSymmetric = false
        recipe.ordersByActivation = true
        let rounded = try layer.quantize(recipe).rounded
        // As many columns in each group, though not next to each other.
        #expect(Dictionary(grouping: rounded.groupOfColumn, by: { $0 }).mapValues(\.count) == [0: 32, 1: 32, 2: 32])
        #expect(rounded.groupOfColumn != rounded.groupOfColumn.sorted())
        for row in 0..<16 {
            for column in 0..<96 {
                let group = Int(rounded.groupOfColumn[column]), code = rounded.codes[row, column]
                #expect((0...15).contains(code) && code == code.rounded())
                #expect((1...15).contains(rounded.zeroPoints[row, group]))
                let scale = rounded.scales[row, group]
                #expect(Float(Float16(scale)) == scale)
                #expect(rounded.values[row, column] == scale * (code - rounded.zeroPoints[row, group]))
            }
        }
    }

    @Test("a searched scale loses no more than that of the whole range, and no weight is off by more than clipping")
    func search() throws {
        let layer = try layer(seed: 10, rows: 24, columns: 128)
        var recipe = QuantizationRecipe()
        recipe.method = .rtn
        recipe.groupSize = 32
        func squaredError(_ search: QuantizationRecipe.ScaleSearch) throws -> Double {
            recipe.scaleSearch = search
            let values = try layer.quantize(recipe).rounded.values
            return zip(values.elements, layer.weights.elements).reduce(0) {
                $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
            }
        }
        let whole = try squaredError(.minmax), searched = try squaredError(.mse)
        #expect(searched < whole && searched > 0.5 * whole)
    }

    @Test("weights that are all nothing stay so, and a column that reads nothing disturbs nobody")
    func zeros() throws {
        var random = SplitMix64(state: 3)
        var inputs = (0..<256 * 64).map { _ in random.normal() }
        for token in 0..<256 { inputs[token * 64 + 5] = 0 }
        var weights = (0..<32 * 64).map { _ in random.normal() }
        for column in 0..<64 { weights[7 * 64 + column] = 0 }
        let layer = try TestLayer(weights: weights[...], rows: 32, inputs: inputs[...], tokens: 256, columns: 64)
        var recipe = QuantizationRecipe()
        recipe.groupSize = 32
        let outcome = try layer.quantize(recipe)
        #expect((0..<64).allSatisfy { outcome.rounded.values[7, $0] == 0 })
        #expect((0..<32).allSatisfy { outcome.rounded.values[$0, 5] == 0 })
        #expect(outcome.error > 0 && outcome.error < 0.02)
    }
}

extension SplitMix64 {
    /// A normal number, by the sum of twelve.
    fileprivate mutating func normal() -> Float {
        (0..<12).reduce(Float(-6)) { sum, _ in sum + Float(next() >> 40) / Float(1 << 24) }
    }
}
