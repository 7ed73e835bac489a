// The door of this target: a chat template, read once and rendered for each conversation.

public import JSON

/// A chat template in Jinja, as models are published with, rendered as Transformers renders it.
///
/// The environment is Transformers' (utils/chat_template_utils.py): the immutable sandbox of Jinja2 with `trim_blocks`,
/// `lstrip_blocks`, loop controls, its own `tojson`, `raise_exception`, `strftime_now` and the tag `generation`.
/// There is no reflection: attributes lead to data and to the methods named in this target, and nowhere else.
public struct ChatTemplate: Sendable {
    private let template: ParsedTemplate

    /// Published templates are well below a tenth of this.
    public static let greatestSourceBytes = 1 << 20

    /// - Parameter source: Any text: it is parsed within bounds of size and nesting.
    public init(source: String) throws(TemplateError) {
        guard source.utf8.count <= Self.greatestSourceBytes else {
            throw .limitExceeded(.sourceBytes(Self.greatestSourceBytes), line: 1)
        }
        template = try Parser.parse(source)
    }

    /// Whether the template names `variable` anywhere: whatever else a client passes along has no effect.
    public func mentions(_ variable: String) -> Bool {
        template.names.contains(variable)
    }

    /// Writes the conversation out.
    /// - Parameters:
    ///   - trusted: Variables whose texts count as the template's own, such as `bos_token`.
    ///   - untrusted: Every other variable: `messages`, `tools`, `documents`, `add_generation_prompt` and what a client
    ///     adds. Of a name that is in both, this value counts.
    ///   - now: What `strftime_now` shows; asked only by templates that write a date.
    /// - Throws: `TemplateError.raised` when the template refuses the conversation, other cases when it fails.
    public func render(
        trusted: JSONObject,
        untrusted: JSONObject,
        now: () -> CivilTime,
        limits: RenderLimits = RenderLimits()
    ) throws(TemplateError) -> RenderedText {
        var variables: [NameID: Value] = [:]
        for (id, name) in template.names.enumerated() {
            if let json = untrusted[name] {
                variables[id] = try Value(json, isTrusted: false, depthLimit: Value.greatestDepth)
            } else if let json = trusted[name] {
                variables[id] = try Value(json, isTrusted: true, depthLimit: Value.greatestDepth)
            }
        }
        return try withoutActuallyEscaping(now) { (now) throws(TemplateError) -> RenderedText in
            let interpreter = Interpreter(template: template, variables: variables, now: now, limits: limits)
            return RenderedText(try interpreter.run())
        }
    }
}

/// What one rendering may take.
public struct RenderLimits: Sendable, Equatable {
    /// Evaluations of expressions, statements and elements of containers; each 32 bytes of a text made are one more.
    public var steps: Int
    /// Of the result and of each text on the way.
    public var stringBytes: Int
    /// Expressions, blocks and macros within each other; no more than `greatestRecursion` is granted.
    public var recursion: Int

    /// What fits the smallest stack of a thread.
    public static let greatestRecursion = 220

    public init(
        steps: Int = 10_000_000,
        stringBytes: Int = 32 << 20,
        recursion: Int = RenderLimits.greatestRecursion
    ) {
        self.steps = steps
        self.stringBytes = stringBytes
        self.recursion = recursion
    }
}
