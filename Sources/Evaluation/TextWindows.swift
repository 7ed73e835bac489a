// A text in windows of one context each, of which the second half is scored.

public import Primitives

/// A tokenised text cut as llama.cpp's perplexity tool cuts it (tools/perplexity/perplexity.cpp, `perplexity`).
///
/// The text is tokenised whole and cut into windows of `contextLength` tokens that do not overlap; what is left at the
/// end is not used. Where the model adds a beginning-of-sequence token, it takes the place of each window's first
/// token. Only the second half of a window is scored, so that every scored token has seen at least half a context.
/// Unlike there, one window is enough.
public struct TextWindows: Sendable {
    public let contextLength: Int
    public let count: Int
    /// The first position of a window whose logits are scored, by the token at the next position.
    public let firstScored: Int
    private let tokenIDs: [TokenID]
    private let bosID: TokenID?

    /// The shortest window that has a token to score.
    public static let leastContextLength = 4

    /// - Parameters:
    ///   - tokenIDs: The whole text, with its beginning-of-sequence token if there is one.
    ///   - bosID: Of models that add one.
    public init(_ tokenIDs: [TokenID], contextLength: Int, bosID: TokenID?) throws(EvaluationError) {
        guard contextLength >= Self.leastContextLength else {
            throw .contextTooShort(contextLength: contextLength, least: Self.leastContextLength)
        }
        guard tokenIDs.count >= contextLength else {
            throw .textTooShort(tokenCount: tokenIDs.count, contextLength: contextLength)
        }
        self.contextLength = contextLength
        self.tokenIDs = tokenIDs
        self.bosID = bosID
        count = tokenIDs.count / contextLength
        firstScored = contextLength / 2
    }

    /// Tokens scored in each window: the last one has no successor, and is not computed.
    public var scoredCount: Int { contextLength - 1 - firstScored }

    /// The tokens of window `index`, shape [contextLength].
    public subscript(index: Int) -> [TokenID] {
        var window = Array(tokenIDs[index * contextLength..<(index + 1) * contextLength])
        if let bosID { window[0] = bosID }
        return window
    }
}
