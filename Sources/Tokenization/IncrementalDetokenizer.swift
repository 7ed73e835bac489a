// Tokens to text, one at a time, while they are being generated.

public import Primitives

/// Turns a growing sequence of tokens into text that is only ever added to: never half a character, never a guess.
///
/// What `append` returns, joined, is what `Tokenizer.decode` makes of the whole sequence, but for an incomplete
/// character at the end (see `finish`). Only a run of SentencePiece's byte tokens that turns out not to be UTF-8 after
/// some of it has been emitted can differ, since emitted text is not taken back.
///
/// Tokens are never separated by spaces: no vocabulary that is supported asks for it, not even between special tokens.
public struct IncrementalDetokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// Bytes of a character that is not complete yet.
    private var pending: [UInt8] = []
    /// Whether the run of byte tokens that is going on cannot be UTF-8 any more.
    private var runIsInvalid = false
    private var isAtStart = true

    /// - Parameters:
    ///   - promptIDs: the tokens before the first one that will be appended. Their text is not returned, but it decides
    ///     whether the first token's space is kept, and a character may have begun in it.
    ///   - skipSpecialTokens: whether special tokens leave no text.
    public init(tokenizer: Tokenizer, promptIDs: some BidirectionalCollection<TokenID>, skipSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipsSpecialTokens = skipSpecialTokens
        // Each token with text has a byte or more, so that these hold any character that is incomplete.
        for id in promptIDs.suffix(8) { _ = append(id) }
        isAtStart = !promptIDs.contains { !tokenizer.bytes(of: $0).isEmpty && !isSkipped($0) }
    }

    /// For text that follows nothing.
    public init(tokenizer: Tokenizer, skipSpecialTokens: Bool) {
        self.init(tokenizer: tokenizer, promptIDs: EmptyCollection(), skipSpecialTokens: skipSpecialTokens)
    }

    /// The text that is certain now and was not before; empty while a character is incomplete.
    public mutating func append(_ id: TokenID) -> String {
        guard !isSkipped(id) else { return "" }
        let text = tokenizer.vocabulary.text(of: id)
        guard !text.isEmpty else { return "" }
        var ready: [UInt8] = []
        if let byte = tokenizer.decoder.fallbackByte(of: text) {
            appendFallback(byte, to: &ready)
        } else if tokenizer.decoder == .byteLevel {
            tokenizer.decoder.decode(text, into: &pending)
            ready = pending
            ready.removeLast(UTF8Text.incompleteSuffixCount(of: pending))
            pending.removeFirst(ready.count)
        } else {
            endRun(to: &ready)
            tokenizer.decoder.decode(text, into: &ready)
        }
        return emit(ready)
    }

    /// Ends the text. An incomplete character at its end is left out, as vLLM does.
    ///
    /// - Parameter replacesIncomplete: whether to return U+FFFD for it instead, as `Tokenizer.decode` does.
    public mutating func finish(replacesIncomplete: Bool = false) -> String {
        defer { pending.removeAll() }
        guard replacesIncomplete, !pending.isEmpty else { return "" }
        var ready: [UInt8] = []
        if tokenizer.decoder == .byteLevel {
            ready = pending
        } else {
            endRun(to: &ready)
        }
        return emit(ready)
    }

    private func isSkipped(_ id: TokenID) -> Bool {
        skipsSpecialTokens && tokenizer.isSpecial(id)
    }

    /// A byte token: text as soon as a character is complete, U+FFFD for each byte once the run is not UTF-8.
    private mutating func appendFallback(_ byte: UInt8, to ready: inout [UInt8]) {
        pending.append(byte)
        if !runIsInvalid {
            if String(validating: pending, as: UTF8.self) != nil {
                ready = pending
                pending.removeAll(keepingCapacity: true)
                return
            }
            if UTF8Text.incompleteSuffixCount(of: pending) == pending.count { return }
            runIsInvalid = true
        }
        replacePending(to: &ready)
    }

    private mutating func endRun(to ready: inout [UInt8]) {
        replacePending(to: &ready)
        runIsInvalid = false
    }

    private mutating func replacePending(to ready: inout [UInt8]) {
        for _ in pending { ready.append(contentsOf: UTF8.encodedReplacementCharacter) }
        pending.removeAll(keepingCapacity: true)
    }

    private mutating func emit(_ ready: [UInt8]) -> String {
        guard !ready.isEmpty else { return "" }
        let isStripped = isAtStart && tokenizer.decoder.stripsLeadingSpace && ready[0] == UInt8(ascii: " ")
        isAtStart = false
        return String(decoding: isStripped ? ready[1...] : ready[...], as: UTF8.self)
    }
}
