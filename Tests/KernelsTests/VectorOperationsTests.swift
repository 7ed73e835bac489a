// Passes over rows of logits: against plain loops, and the same bits on every instruction set.

import Kernels
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("VectorOperations")
struct VectorOperationsTests {
    private static let sizes = [1, 2, 7, 8, 9, 15, 16, 17, 63, 127, 128, 129, 1_000, 4_099]

    /// Values with many equal ones and some of −infinity.
    private func row(_ size: Int) -> [Float] {
        (0..<size).map { index in
            let scrambled = (index &* 2_654_435_761) % 977
            return scrambled % 11 == 0 ? -.infinity : Float(scrambled % 60) / 4 - 7
        }
    }

    @Test("argmax gives the largest value and the lowest of its indices", arguments: sizes, InstructionSet.available)
    func argmax(size: Int, instructionSet: InstructionSet) {
        let operations = VectorOperations(instructionSet)
        let values = row(size)
        let extreme = operations.argmax(values.span)
        let largest = values.max() ?? 0
        #expect(extreme.value == largest)
        #expect(extreme.index == (largest == -.infinity ? 0 : values.firstIndex(of: largest)))
        #expect(!extreme.isNaN)
        for position in Set([0, size / 2, size - 1]) {
            var spoilt = values
            spoilt[position] = .nan
            #expect(operations.argmax(spoilt.span).isNaN)
        }
    }

    @Test("block maxima, counts and collections agree with plain loops", arguments: sizes, InstructionSet.available)
    func selection(size: Int, instructionSet: InstructionSet) {
        let operations = VectorOperations(instructionSet)
        let values = row(size)
        var maxima: [Float] = [1, 2, 3]
        operations.blockMaxima(of: values.span, block: 16, into: &maxima)
        #expect(maxima == stride(from: 0, to: size, by: 16).map { values[$0..<min(size, $0 + 16)].max() ?? 0 })
        for threshold: Float in [-.infinity, -3, 0.25, 7, 100] {
            let expected = values.indices.filter { values[$0] >= threshold }
            #expect(operations.count(in: values.span, atLeast: threshold) == expected.count)
            var indices: [Int32] = [9]
            var collected: [Float] = []
            operations.collect(from: values.span, atLeast: threshold, indices: &indices, values: &collected)
            #expect(indices.map(Int.init) == expected)
            #expect(collected == expected.map { values[$0] })
        }
    }

    @Test("exponentials are within a few ulp, and sums of them too", arguments: sizes, InstructionSet.available)
    func exponentials(size: Int, instructionSet: InstructionSet) {
        let operations = VectorOperations(instructionSet)
        let values = row(size)
        let shift = max(0, values.max() ?? 0)
        var terms = values
        operations.exp(&terms, shift: shift, scale: 1.5)
        var sum = 0.0
        for (value, term) in zip(values, terms) {
            let exact = Glibc.exp(Double((value - shift) * 1.5))
            #expect(abs(Double(term) - exact) <= 4e-7 * exact + 1e-37)
            sum += exact
        }
        #expect(abs(Double(operations.expSum(values.span, shift: shift, scale: 1.5)) - sum) <= 1e-6 * sum + 1e-37)
    }

    @Test("every instruction set gives the same bits", arguments: sizes)
    func sameBits(size: Int) {
        let values = row(size).map { $0 * 1.37 + 0.011 }
        let reference = VectorOperations(.portable)
        for operations in InstructionSet.available.map({ VectorOperations($0) }) {
            #expect(operations.argmax(values.span) == reference.argmax(values.span))
            let sum = operations.expSum(values.span, shift: 12, scale: 0.83)
            #expect(sum.bitPattern == reference.expSum(values.span, shift: 12, scale: 0.83).bitPattern)
            var terms = values
            var expected = values
            operations.exp(&terms, shift: 12, scale: 0.83)
            reference.exp(&expected, shift: 12, scale: 0.83)
            #expect(terms.map(\.bitPattern) == expected.map(\.bitPattern))
        }
    }
}
