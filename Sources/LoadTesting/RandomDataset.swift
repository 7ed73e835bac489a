// Prompts that nobody wrote: random tokens in exact numbers.

/// vLLM's dataset `random`: a common random prefix, then random tokens, of lengths around given ones.
public struct RandomDataset: Sendable, Equatable {
    public var inputLength = 1024
    public var outputLength = 128
    /// How far lengths may lie from the given ones, as a share of them: 0.1 is ±10 %.
    public var inputRangeRatio = 0.0
    public var outputRangeRatio = 0.0
    /// Tokens that all prompts share, in front of their own.
    public var prefixLength = 0
    /// Where token ids are drawn from when no tokenizer is at hand. The default avoids the special and byte tokens at
    /// the beginning of vocabularies, and fits all but the smallest.
    public var tokenRange = 1_000..<30_000

    public init() {}

    /// What prompts are made of.
    public enum Material: Sendable {
        /// Token ids out of `tokenRange`, for endpoints that accept them.
        case tokenIDs
        /// Common words, for endpoints that take text alone: about a token each.
        case words
        /// Text that has exactly the wanted tokens, or nearly so.
        case text(any PromptTokenizer)
    }

    /// - Parameter idPrefix: Followed by a number, the id of a request.
    public func requests(
        count: Int, material: Material, idPrefix: String, seed: UInt64
    ) throws(LoadTestError) -> [LoadRequest] {
        var random = SeededRandom(seed: seed, stream: 1)
        var ownLength = inputLength
        if case .text(let tokenizer) = material { ownLength = max(0, inputLength - tokenizer.addedTokenCount) }
        let inputs = try lengths(around: ownLength, ratio: inputRangeRatio, option: "random-input-len", atLeast: 0)
        let outputs = try lengths(
            around: outputLength, ratio: outputRangeRatio, option: "random-output-len", atLeast: 1)
        guard prefixLength >= 0 else {
            throw .invalidOption(name: "random-prefix-len", value: "\(prefixLength)", allowed: "0 or more")
        }
        guard prefixLength + inputs.lowerBound >= 1 else {
            throw .invalidOption(
                name: "random-input-len", value: "\(inputLength)",
                allowed: "a length that leaves each prompt a token of its own")
        }
        guard tokenRange.lowerBound >= 0, !tokenRange.isEmpty else {
            throw .invalidOption(
                name: "random-token-range", value: "\(tokenRange.lowerBound)-\(tokenRange.upperBound)",
                allowed: "FIRST-END with 0 ≤ FIRST < END")
        }
        let prefix = pieces(prefixLength, of: material, random: &random)
        return (0..<count).map { index in
            let wanted = Int.random(in: inputs, using: &random)
            let own = pieces(wanted, of: material, random: &random)
            let output = Int.random(in: outputs, using: &random)
            let (prompt, length) = prompt(of: prefix + own, material: material, random: &random)
            return LoadRequest(
                id: "\(idPrefix)\(index)", prompt: prompt, promptTokenCount: length, outputTokenCount: output)
        }
    }

    private func lengths(
        around length: Int, ratio: Double, option: String, atLeast minimum: Int
    ) throws(LoadTestError) -> ClosedRange<Int> {
        guard ratio >= 0, ratio < 1 else {
            throw .invalidOption(name: "random-range-ratio", value: "\(ratio)", allowed: "0 or more and less than 1")
        }
        // No model's context is longer than a billion tokens; beyond, sums could overflow.
        guard length >= minimum, length <= 1_000_000_000 else {
            throw .invalidOption(name: option, value: "\(length)", allowed: "\(minimum) to 1000000000")
        }
        let low = (Double(length) * (1 - ratio)).rounded(.down)
        let high = (Double(length) * (1 + ratio)).rounded(.up)
        return max(minimum, Int(low))...max(minimum, Int(high))
    }

    /// Token ids, or numbers of words.
    private func pieces(_ count: Int, of material: Material, random: inout SeededRandom) -> [Int] {
        switch material {
        case .tokenIDs:
            return (0..<count).map { _ in Int.random(in: tokenRange, using: &random) }
        case .words:
            return (0..<count).map { _ in Int.random(in: CommonWords.all.indices, using: &random) }
        case .text(let tokenizer):
            let ids = tokenizer.ordinaryTokenIDs
            guard !ids.isEmpty else { return [] }
            return (0..<count).map { _ in ids[Int.random(in: ids.indices, using: &random)] }
        }
    }

    private func prompt(
        of pieces: [Int], material: Material, random: inout SeededRandom
    ) -> (prompt: LoadPrompt, tokenCount: Int) {
        switch material {
        case .tokenIDs:
            return (.tokens(pieces), pieces.count)
        case .words:
            return (.text(pieces.map { CommonWords.all[$0] }.joined(separator: " ")), pieces.count)
        case .text(let tokenizer):
            let (text, count) = text(of: pieces, tokenizer, random: &random)
            return (.text(text), count)
        }
    }

    /// Decodes, encodes and trims or fills up until the text has as many tokens as `pieces`.
    ///
    /// Neighbours may merge when encoded again, so that a few rounds are needed; if ten don't suffice, the last one is
    /// taken, which is nearly right.
    private func text(
        of pieces: [Int], _ tokenizer: any PromptTokenizer, random: inout SeededRandom
    ) -> (text: String, tokenCount: Int) {
        var tokens = pieces
        var text = ""
        for _ in 0...10 {
            text = tokenizer.decode(tokens)
            tokens = tokenizer.encode(text)
            if tokens.count == pieces.count { break }
            let missing = pieces.count - tokens.count
            if missing > 0 {
                tokens += self.pieces(missing, of: .text(tokenizer), random: &random)
            } else {
                tokens.removeLast(-missing)
            }
        }
        return (text, tokenizer.encode(text).count)
    }
}
