// What came out of one prompt, as hashes, and how two of them compare.

public import Primitives

/// The logits after a prompt and after each token decoded, by their hashes.
public struct PromptTrace: Sendable, Equatable {
    public let promptCount: Int
    /// Tokens decoded.
    public internal(set) var tokenIDs: [TokenID] = []
    /// Of the last position of the prompt, and of each token decoded: one more than there are tokens.
    public internal(set) var rowHashes: [LogitsHash] = []

    init(promptCount: Int) {
        self.promptCount = promptCount
    }

    /// One hash for all rows.
    public var hash: LogitsHash {
        rowHashes.reduce(into: LogitsHash()) { $0.combine($1) }
    }
}

/// Where two runs of the same prompts part.
public struct TraceDifference: Sendable, Equatable {
    public let promptIndex: Int
    /// The position whose logits differ first, counted from the prompt's first token.
    public let position: Int

    /// The first difference, by prompt and then by position; nil if all bits are equal.
    public init?(_ traces: [PromptTrace], from expected: [PromptTrace]) {
        precondition(traces.count == expected.count, "traces of different prompts")
        for (index, (found, expected)) in zip(traces, expected).enumerated() where found != expected {
            let row =
                zip(found.rowHashes, expected.rowHashes).enumerated().first { $1.0 != $1.1 }?.offset
                ?? min(found.rowHashes.count, expected.rowHashes.count)
            promptIndex = index
            position = expected.promptCount - 1 + row
            return
        }
        return nil
    }
}
