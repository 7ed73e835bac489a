// A model as clients see it: names, text, limits. The weights are the engine's.

public import Primitives
public import Templating
public import Tokenization

/// What the model's authors recommend (generation_config.json); nil: nothing.
public struct SamplingDefaults: Sendable, Equatable {
    public var temperature: Double?
    public var topP: Double?
    public var topK: Int?
    public var minP: Double?
    public var repetitionPenalty: Double?
    public var maximumTokens: Int?

    public init() {}
}

public struct LoadedModel: Sendable {
    /// What templates expect to find in a message's `content`: vLLM's content formats "string" and "openai".
    public enum ContentFormat: Sendable {
        case text
        case parts
    }

    /// Under which the model is served; the first one is written in responses.
    public let names: [String]
    /// Where it comes from: a path, or a name on the Hub.
    public let root: String
    public let tokenizer: Tokenizer
    public let chatTemplate: ChatTemplate?
    public let contentFormat: ContentFormat
    public let defaults: SamplingDefaults
    /// The token that ends a text; told to clients by no stop reason.
    public let endOfSequenceID: TokenID?
    /// Further ones, which are told.
    public let furtherStopIDs: [TokenID]

    /// - Parameters:
    ///   - names: At least one.
    ///   - chatTemplate: Jinja source.
    ///   - stopIDs: All ids at which the model's configuration wants a text to end.
    public init(
        names: [String], root: String, tokenizer: Tokenizer, chatTemplate: String?,
        defaults: SamplingDefaults = SamplingDefaults(), stopIDs: [TokenID] = []
    ) throws(GenerationError) {
        self.names = names.isEmpty ? [root] : names
        self.root = root
        self.tokenizer = tokenizer
        self.defaults = defaults
        let end = tokenizer.specialTokens.eosID ?? stopIDs.first
        endOfSequenceID = end
        var further: [TokenID] = []
        for id in stopIDs where id != end && !further.contains(id) { further.append(id) }
        furtherStopIDs = further
        contentFormat = chatTemplate.map(Self.contentFormat(of:)) ?? .text
        guard let chatTemplate else {
            self.chatTemplate = nil
            return
        }
        do throws(TemplateError) {
            self.chatTemplate = try ChatTemplate(source: chatTemplate)
        } catch {
            throw .unusableCheckpoint("\(error)")
        }
    }

    /// The name written in responses.
    public var name: String { names[0] }

    /// Whether a request for `name` is for this model; no name is.
    public func isNamed(_ name: String?) -> Bool {
        name.map { $0.isEmpty || names.contains($0) } ?? true
    }

    /// A template that loops over a message's content wants parts; all others want text. vLLM looks at the syntax tree
    /// for the same (renderers/hf.py, `_detect_content_format`).
    private static func contentFormat(of template: String) -> ContentFormat {
        for statement in template.split(separator: "{%").dropFirst() {
            let words = statement.prefix { $0 != "%" }.split { $0 == " " || $0 == "\n" || $0 == "-" }
            guard words.count >= 4, words[0] == "for", words[2] == "in" else { continue }
            let isContent = ["content", ".content", "['content']", "[\"content\"]"].contains { ending in
                ending == "content" ? words[3] == ending : words[3].hasSuffix(ending)
            }
            if isContent { return .parts }
        }
        return .text
    }
}
