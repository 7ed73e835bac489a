// A vocabulary as GGUF metadata holds it, before anything was checked.

/// The `tokenizer.ggml.*` fields of a GGUF file, as plain values. `Tokenizer.init(gguf:)` checks them.
public struct GGUFVocabulary: Sendable {
    /// `model`: "gpt2" for byte-level BPE, "llama" for SentencePiece BPE.
    public var model: String
    /// `pre`: the name of the pre-tokenizer, for byte-level BPE.
    public var preTokenizer: String?
    public var tokens: [String]
    /// One for each token ("llama" only): of two possible merges the one that makes the higher score comes first.
    public var scores: [Float] = []
    /// One for each token, see `TokenType`; empty: all normal.
    public var tokenTypes: [Int32] = []
    /// Pairs separated by a space, the most urgent first ("gpt2" only).
    public var merges: [String] = []

    public var bosID: Int?
    public var eosID: Int?
    public var unknownID: Int?
    public var padID: Int?
    /// End of a turn and end of a message: further tokens that end a generation.
    public var eotID: Int?
    public var eomID: Int?

    public var addsBOS: Bool?
    public var addsEOS: Bool?
    public var addsSpacePrefix: Bool?

    public init(model: String, preTokenizer: String? = nil, tokens: [String]) {
        self.model = model
        self.preTokenizer = preTokenizer
        self.tokens = tokens
    }

    /// What `tokenizer.ggml.token_type` says about a token (the numbers are SentencePiece's).
    enum TokenType: Int32 {
        case undefined = 0
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }
}
