// Prompts out of a file of JSON lines.

internal import JSON

/// vLLM's dataset `custom`: a line is an object with `prompt`, a string (or an array of token ids), and perhaps
/// `output_tokens`.
public struct CustomDataset: Sendable {
    private struct Entry: Sendable {
        let prompt: LoadPrompt
        let outputTokenCount: Int?
    }

    private let entries: [Entry]

    /// - Parameter text: The file's content; empty lines are skipped.
    public init(jsonLines text: String) throws(LoadTestError) {
        var entries: [Entry] = []
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.allSatisfy(\.isWhitespace) {
            entries.append(try Self.entry(String(line), number: index + 1))
        }
        guard !entries.isEmpty else { throw .emptyDataset }
        self.entries = entries
    }

    /// - Parameters:
    ///   - outputLength: Tokens asked for; -1 takes each line's `output_tokens`.
    ///   - shuffles: Whether the order is drawn by lot.
    ///   - repeats: Whether prompts are drawn again when there are fewer than `count`.
    public func requests(
        count: Int, outputLength: Int, shuffles: Bool, repeats: Bool, tokenizer: (any PromptTokenizer)?,
        idPrefix: String, seed: UInt64
    ) throws(LoadTestError) -> [LoadRequest] {
        guard outputLength > 0 || outputLength == -1 else {
            throw .invalidOption(
                name: "custom-output-len", value: "\(outputLength)", allowed: "1 or more, or -1 for each line's own")
        }
        var random = SeededRandom(seed: seed, stream: 2)
        var chosen = Array((shuffles ? entries.shuffled(using: &random) : entries).prefix(count))
        let distinct = chosen
        while repeats, chosen.count < count {
            chosen.append(distinct[Int.random(in: distinct.indices, using: &random)])
        }
        var requests: [LoadRequest] = []
        for (index, entry) in chosen.enumerated() {
            guard let length = outputLength > 0 ? outputLength : entry.outputTokenCount else {
                throw .invalidOption(
                    name: "custom-output-len", value: "-1", allowed: "only if every line has output_tokens")
            }
            requests.append(
                LoadRequest(
                    id: "\(idPrefix)\(index)", prompt: entry.prompt,
                    promptTokenCount: Self.length(of: entry.prompt, tokenizer), outputTokenCount: length))
        }
        return requests
    }

    private static func entry(_ line: String, number: Int) throws(LoadTestError) -> Entry {
        let value: JSONValue
        do {
            value = try JSONParser.parse(line)
        } catch {
            throw .invalidDataset(line: number, reason: "is not JSON (\(error))")
        }
        var outputTokenCount: Int?
        if let output = value["output_tokens"], !output.isNull {
            guard let count = output.integerValue.flatMap({ Int(exactly: $0) }), count > 0 else {
                throw .invalidDataset(line: number, reason: "has output_tokens that are no count")
            }
            outputTokenCount = count
        }
        if let text = value["prompt"]?.stringValue {
            return Entry(prompt: .text(text), outputTokenCount: outputTokenCount)
        }
        if let elements = value["prompt"]?.arrayValue {
            let tokens = elements.compactMap { $0.integerValue.flatMap { Int(exactly: $0) } }
            if tokens.count == elements.count, !tokens.isEmpty {
                return Entry(prompt: .tokens(tokens), outputTokenCount: outputTokenCount)
            }
        }
        throw .invalidDataset(line: number, reason: "has no \"prompt\" that is a string or an array of token ids")
    }

    /// 0 if nobody here can count: the server will tell.
    private static func length(of prompt: LoadPrompt, _ tokenizer: (any PromptTokenizer)?) -> Int {
        switch prompt {
        case .text(let text): tokenizer?.encode(text).count ?? 0
        case .tokens(let tokens): tokens.count
        }
    }
}
