// What a template made of a conversation, with the origin of each piece.

/// Text in pieces of which each comes from the template or from outside.
///
/// Only in trusted pieces may the tokenizer see special tokens: a `<|im_start|>` that a user typed is in an untrusted
/// one. Ordinary tokenization must not stop at the borders, or the tokens would differ from the reference's.
public struct RenderedText: Sendable, Equatable {
    public struct Span: Sendable, Equatable {
        public var text: String
        /// Whether the template, or a value given as trusted, is the author.
        public var isTrusted: Bool

        public init(text: String, isTrusted: Bool) {
            self.text = text
            self.isTrusted = isTrusted
        }
    }

    /// In order; none is empty, and neighbours differ in trust.
    public private(set) var spans: [Span]

    public init(spans: [Span]) {
        self.spans = []
        for span in spans where !span.text.isEmpty {
            if self.spans.last?.isTrusted == span.isTrusted {
                self.spans[self.spans.count - 1].text += span.text
            } else {
                self.spans.append(span)
            }
        }
    }

    /// All pieces joined.
    public var text: String {
        spans.reduce(into: "") { $0 += $1.text }
    }
}

extension RenderedText {
    init(_ text: Text) {
        let spans = text.runs.map { run in
            Span(text: String(decoding: text.bytes[run.range], as: UTF8.self), isTrusted: run.isTrusted)
        }
        self.init(spans: spans)
    }
}
