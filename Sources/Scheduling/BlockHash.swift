// By what the content of a full block is known.

/// Names all tokens up to the end of a block, and among whom it may be shared: 256 bits of a cryptographic hash, so
/// that nobody can make two contents with one name.
@frozen
public struct BlockHash: Hashable, Sendable {
    public let words: InlineArray<4, UInt64>

    @inlinable
    public init(words: InlineArray<4, UInt64>) {
        self.words = words
    }

    @inlinable
    public static func == (left: BlockHash, right: BlockHash) -> Bool {
        left.words[0] == right.words[0] && left.words[1] == right.words[1] && left.words[2] == right.words[2]
            && left.words[3] == right.words[3]
    }

    /// One word is enough: they are as good as random.
    @inlinable
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words[0])
    }
}
