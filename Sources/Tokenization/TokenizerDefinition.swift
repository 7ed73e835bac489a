// What a tokenizer consists of, whichever file it was read from.

public import Primitives

/// The ids of the tokens that have a role of their own; nil for a role that the vocabulary does not know.
public struct SpecialTokens: Sendable, Equatable {
    public var bosID: TokenID?
    public var eosID: TokenID?
    public var unknownID: TokenID?
    public var padID: TokenID?

    public init(bosID: TokenID? = nil, eosID: TokenID? = nil, unknownID: TokenID? = nil, padID: TokenID? = nil) {
        self.bosID = bosID
        self.eosID = eosID
        self.unknownID = unknownID
        self.padID = padID
    }
}

/// The parts of a tokenizer, as the readers of the two file formats hand them to `Tokenizer`.
struct TokenizerDefinition {
    var encoder: BytePairEncoder
    var decoder: TokenDecoder
    var addedTokens: [AddedToken]
    /// For the text between added tokens.
    var normalizer = Normalizer(steps: [])
    /// For what is left after normalized added tokens were found too: the first piece of a text, and all others.
    var firstPieceNormalizer = Normalizer(steps: [])
    var pieceNormalizer = Normalizer(steps: [])
    var preTokenizer = PreTokenizer(steps: [])
    var specialTokens = SpecialTokens()
    var endOfGenerationIDs: [TokenID] = []
    /// What `addSpecialTokens` puts before and after a text.
    var prefix: [TokenID] = []
    var suffix: [TokenID] = []
}
