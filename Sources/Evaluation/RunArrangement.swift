// The ways to run the same prompts that must all give the same bits.

/// How prompts are put to an executor: what shares a batch, in which pieces, on which blocks.
public struct RunArrangement: Sendable, Equatable {
    public var name: String
    /// Each prompt has the executor for itself.
    public var isAlone = false
    /// The most tokens of one prompt in a step, taken in turn step by step; empty: as many as the batch has room for.
    public var chunkSizes: [Int] = []
    /// Steps from one prompt's arrival to the next one's, so that some decode while others are prefilled.
    public var arrivalGap = 0
    /// Every prompt loses its KV cache once while it decodes, after a count of tokens of its own, and is computed again
    /// from its first token on, in other blocks.
    public var dropsCache = false
    /// Blocks are handed out in a shuffled order.
    public var scattersBlocks = false
    /// Prompts find their full blocks in the cache, where another sequence that began alike left them.
    public var findsPrefixes = false

    public init(name: String) {
        self.name = name
    }

    private init(_ name: String, _ change: (inout RunArrangement) -> Void) {
        self.init(name: name)
        change(&self)
    }

    /// The first one is what the others are compared with.
    public static let all =
        [RunArrangement("alone") { $0.isAlone = true }, RunArrangement("together") { _ in }]
        + [1, 7, 16, 33, 100].map(inChunks)
        + [
            RunArrangement("mixed chunks") {
                $0.chunkSizes = [33, 1, 16, 7, 65]
                $0.arrivalGap = 3
            },
            RunArrangement("preempted") { $0.dropsCache = true },
            RunArrangement("preempted, chunks") {
                $0.dropsCache = true
                $0.chunkSizes = [33]
                $0.arrivalGap = 1
            },
            RunArrangement("cached prefixes") { $0.findsPrefixes = true },
            RunArrangement("scattered blocks") { $0.scattersBlocks = true },
            RunArrangement("scattered, all else") {
                $0.scattersBlocks = true
                $0.findsPrefixes = true
                $0.dropsCache = true
                $0.chunkSizes = [16, 5, 40]
                $0.arrivalGap = 2
            },
        ]

    private static func inChunks(of size: Int) -> RunArrangement {
        RunArrangement("chunks of \(size)") {
            $0.chunkSizes = [size]
            $0.arrivalGap = 2
        }
    }

    func chunkSize(step: Int) -> Int {
        chunkSizes.isEmpty ? .max : max(1, chunkSizes[step % chunkSizes.count])
    }
}
