// A stretch of a prompt together with how far it is trusted.

/// Text that may, or may not, name special tokens: a template's own text may, what a user wrote may not.
public struct TextPiece: Sendable, Equatable {
    public var text: String
    public var allowsSpecialTokens: Bool

    public init(text: String, allowsSpecialTokens: Bool) {
        self.text = text
        self.allowsSpecialTokens = allowsSpecialTokens
    }
}
