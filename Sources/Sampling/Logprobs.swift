// Logprobs of a row of raw logits.

import Kernels
public import Primitives

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Natural logarithms of the softmax of raw logits, as vLLM's `raw_logprobs`: before temperature, bias and penalties.
public enum Logprobs {
    private static let operations = VectorOperations.best
    private static let blockSize = 128
    private static let chunkSize = 4_096

    /// The logprob and rank of `token`, and the `topCount` most likely tokens, of equal ones the lowest ids first.
    ///
    /// - Parameter logits: shape [vocabularySize], not empty. A row that holds NaN gives logprobs that are NaN, and
    ///   perhaps fewer of the most likely tokens.
    public static func position(of token: TokenID, in logits: Span<Float>, topCount: Int) -> PositionLogprobs {
        let logNormaliser = logSumOfExponentials(logits)
        let chosen = token >= 0 && Int(token) < logits.count ? logits[Int(token)] : -.infinity
        let rank = max(1, operations.count(in: logits, atLeast: chosen))
        var position = PositionLogprobs(
            chosen: TokenLogprob(
                token: token, logprob: Float(Double(chosen) - logNormaliser), rank: Int32(clamping: rank)),
            top: [])
        guard topCount > 0 else { return position }
        for (index, (token, value)) in largest(min(topCount, logits.count), of: logits).enumerated() {
            position.top.append(
                TokenLogprob(
                    token: token, logprob: Float(Double(value) - logNormaliser), rank: Int32(clamping: index + 1)))
        }
        return position
    }

    private static func logSumOfExponentials(_ logits: Span<Float>) -> Double {
        let top = operations.argmax(logits)
        guard !top.isNaN, top.value < .infinity else { return .nan }
        guard top.value > -.infinity else { return 0 }
        var total = 0.0
        for start in stride(from: 0, to: logits.count, by: chunkSize) {
            let chunk = logits.extracting(start..<min(logits.count, start + chunkSize))
            total += Double(operations.expSum(chunk, shift: top.value, scale: 1))
        }
        return Double(top.value) + log(total)
    }

    /// The `count` largest logits in falling order.
    private static func largest(_ count: Int, of logits: Span<Float>) -> [(token: TokenID, value: Float)] {
        var threshold = -Float.infinity
        if count <= logits.count / blockSize {
            // As many values as there are blocks whose maximum reaches it are at least the threshold.
            var maxima: [Float] = []
            operations.blockMaxima(of: logits, block: blockSize, into: &maxima)
            var ordered = maxima.map { WeightedValue(value: $0, weight: 1) }
            threshold = WeightedCutoff(&ordered, reaching: Double(count)).value
        }
        var indices: [Int32] = []
        var values: [Float] = []
        operations.collect(from: logits, atLeast: threshold, indices: &indices, values: &values)
        let sorted = zip(indices, values).sorted { left, right in
            left.1 > right.1 || (left.1 == right.1 && left.0 < right.0)
        }
        return sorted.prefix(count).map { (token: $0.0, value: $0.1) }
    }
}
