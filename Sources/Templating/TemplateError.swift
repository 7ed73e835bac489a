// Why a template could not be read, or could not be rendered.

/// What went wrong, in a sentence, and on which line of the template.
public enum TemplateError: Error, Equatable, Sendable {
    /// The source is not a template: nothing that a client sends can mend it.
    case syntax(message: String, line: Int)
    /// The template refused the conversation by `raise_exception`: the client is to be told the message.
    case raised(message: String)
    /// An operation of the template failed, as with an exception of Python.
    case failed(message: String, line: Int)
    case limitExceeded(Limit, line: Int)

    /// The bounds that keep a hostile template or conversation from taking more than its share.
    public enum Limit: Equatable, Sendable {
        case sourceBytes(Int)
        case nesting(Int)
        case steps(Int)
        case stringBytes(Int)
        case recursion(Int)
        case valueDepth(Int)
    }
}

extension TemplateError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .syntax(let message, let line): "The chat template is not valid: \(message) (line \(line))"
        case .raised(let message): message
        case .failed(let message, let line): "The chat template failed: \(message) (line \(line))"
        case .limitExceeded(let limit, let line): "The chat template \(limit) (line \(line))"
        }
    }
}

extension TemplateError.Limit: CustomStringConvertible {
    public var description: String {
        switch self {
        case .sourceBytes(let limit): "is larger than \(limit) bytes"
        case .nesting(let limit): "is nested deeper than \(limit) levels"
        case .steps(let limit): "takes more than \(limit) steps"
        case .stringBytes(let limit): "makes a text of more than \(limit) bytes"
        case .recursion(let limit): "recurses deeper than \(limit) levels"
        case .valueDepth(let limit): "makes values nested deeper than \(limit) levels"
        }
    }
}
