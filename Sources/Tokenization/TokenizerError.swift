// Why a tokenizer cannot be made from what a model file says.

/// What is wrong with a vocabulary or a tokenizer.json. Only loading throws: encoding and decoding take any input.
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
    case missingField(String)
    case invalidField(String, expected: String)
    case unsupportedModel(String, supported: [String])
    case unsupportedPreTokenizer(String, supported: [String])
    /// A normalizer, pre-tokenizer, post-processor or decoder, or an option of one, that is not known.
    case unsupportedComponent(field: String, value: String)
    case unsupportedPattern(pattern: String, reason: String)
    case vocabularyTooLarge(count: Int, limit: Int)
    case duplicateToken(String)
    case duplicateTokenID(Int, String, String)
    case unknownToken(String, field: String)
    case invalidMerge(String, index: Int)
    case tokenIDOutOfRange(Int, field: String, vocabularySize: Int)
    case lengthMismatch(field: String, count: Int, expected: Int)

    public var description: String {
        switch self {
        case .missingField(let field):
            "The tokenizer lacks \(field); the file is incomplete or not a tokenizer"
        case .invalidField(let field, let expected):
            "\(field) of the tokenizer must be \(expected)"
        case .unsupportedModel(let model, let supported):
            "Tokenizer model '\(model)' is not supported; supported are \(supported.joined(separator: ", "))"
        case .unsupportedPreTokenizer(let name, let supported):
            "Pre-tokenizer '\(name)' is not supported; supported are \(supported.joined(separator: ", "))"
        case .unsupportedComponent(let field, let value):
            "\(field) '\(value)' of the tokenizer is not supported"
        case .unsupportedPattern(let pattern, let reason):
            "The tokenizer's pattern '\(pattern.prefix(200))' is not supported: \(reason)"
        case .vocabularyTooLarge(let count, let limit):
            "The vocabulary has \(count) tokens, more than the limit of \(limit)"
        case .duplicateToken(let token):
            "The vocabulary holds the token '\(token)' twice"
        case .duplicateTokenID(let id, let first, let second):
            "The vocabulary gives id \(id) to both '\(first)' and '\(second)'"
        case .unknownToken(let token, let field):
            "\(field) of the tokenizer names '\(token)', which is not in the vocabulary"
        case .invalidMerge(let merge, let index):
            "Merge \(index) of the tokenizer, '\(merge.prefix(200))', is not a pair of tokens that make a third"
        case .tokenIDOutOfRange(let id, let field, let vocabularySize):
            "\(field) is token \(id), but the vocabulary has \(vocabularySize) tokens"
        case .lengthMismatch(let field, let count, let expected):
            "\(field) of the tokenizer has \(count) entries instead of \(expected)"
        }
    }
}
