// Prompts to tokens.

import JSON
public import Primitives
import Templating
import Tokenization

extension LoadedModel {
    /// A prompt in tokens, and as text where it has one.
    public struct EncodedPrompt: Sendable, Equatable {
        public var tokenIDs: [TokenID]
        public var text: String?
    }

    /// Renders and tokenises; takes a while for a long prompt.
    ///
    /// - Parameter allowsSpecialInContent: Whether text of messages may become special tokens, as vLLM lets it.
    public func encode(
        _ prompt: GenerationRequest.Prompt, addsSpecialTokens: Bool, allowsSpecialInContent: Bool
    ) throws(GenerationError) -> EncodedPrompt {
        switch prompt {
        case .tokens(let ids):
            return EncodedPrompt(tokenIDs: ids, text: nil)
        case .text(let text):
            let ids = tokenizer.encode(text, addSpecialTokens: addsSpecialTokens)
            return EncodedPrompt(tokenIDs: ids, text: text)
        case .chat(let chat):
            let spans = try render(chat)
            let pieces = spans.map { span in
                TextPiece(text: span.text, allowsSpecialTokens: span.isTrusted || allowsSpecialInContent)
            }
            let ids = tokenizer.encode(pieces, addSpecialTokens: addsSpecialTokens)
            return EncodedPrompt(tokenIDs: ids, text: spans.map(\.text).joined())
        }
    }

    private func render(_ chat: ChatPrompt) throws(GenerationError) -> [RenderedText.Span] {
        var untrusted = chat.variables
        untrusted["messages"] = .array(chat.messages)
        untrusted["tools"] = chat.tools.isEmpty ? .null : .array(chat.tools)
        untrusted["documents"] = chat.documents.map { .array($0) } ?? .null
        untrusted["add_generation_prompt"] = .bool(chat.addsGenerationPrompt)
        guard chat.template != nil || chatTemplate != nil else { throw .noChatTemplate }
        var spans: [RenderedText.Span] = []
        do throws(TemplateError) {
            let own = try chat.template.map { source throws(TemplateError) in try ChatTemplate(source: source) }
            let rendered = try (own ?? chatTemplate)?.render(
                trusted: specialTokenTexts, untrusted: untrusted, now: CivilTime.now)
            spans = rendered?.spans ?? []
        } catch .raised(let message) {
            throw .template("The chat template refused the conversation: \(message)")
        } catch {
            throw .template("\(error)")
        }
        return chat.continuesFinalMessage ? try Self.cut(spans, after: chat.messages.last) : spans
    }

    private var specialTokenTexts: JSONObject {
        let ids = tokenizer.specialTokens
        let named = [
            ("bos_token", ids.bosID), ("eos_token", ids.eosID), ("unk_token", ids.unknownID), ("pad_token", ids.padID),
        ]
        var texts = JSONObject()
        for (name, id) in named {
            if let text = id.flatMap({ tokenizer.tokenText($0) }) { texts[name] = .string(text) }
        }
        return texts
    }

    /// Takes away what the template wrote after the last message's text, as Transformers does
    /// (`render_jinja_template`, `continue_final_message`).
    private static func cut(
        _ spans: [RenderedText.Span], after message: JSONValue?
    ) throws(GenerationError) -> [RenderedText.Span] {
        let content = Array((message?["content"]?.stringValue ?? "").utf8)
        let stripped = content.trimmingWhitespace(atStart: true, atEnd: true)
        let whole = spans.reduce(into: [UInt8]()) { $0 += $1.text.utf8 }
        guard !stripped.isEmpty, let start = whole.lastStart(of: stripped) else {
            throw .invalid(
                "The last message's text is not in the rendered conversation, so it can't be continued.",
                parameter: "continue_final_message")
        }
        // The template may have stripped the message; what it kept of white space at the end stays.
        let withEnd = content.trimmingWhitespace(atStart: true, atEnd: false)
        let kept = whole[start...].starts(with: withEnd) ? withEnd.count : stripped.count
        var left = start + kept
        var result: [RenderedText.Span] = []
        for span in spans where left > 0 {
            let bytes = span.text.utf8.prefix(left)
            left -= bytes.count
            result.append(RenderedText.Span(text: String(decoding: bytes, as: UTF8.self), isTrusted: span.isTrusted))
        }
        return result
    }
}

extension [UInt8] {
    fileprivate func trimmingWhitespace(atStart: Bool, atEnd: Bool) -> ArraySlice<UInt8> {
        var slice = self[...]
        let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
        if atStart { slice = slice.drop(while: isSpace) }
        while atEnd, let last = slice.last, isSpace(last) { slice.removeLast() }
        return slice
    }

    /// Where `pattern` begins for the last time.
    fileprivate func lastStart(of pattern: ArraySlice<UInt8>) -> Int? {
        var start = count - pattern.count
        while start >= 0 {
            if self[start...].starts(with: pattern) { return start }
            start -= 1
        }
        return nil
    }
}
