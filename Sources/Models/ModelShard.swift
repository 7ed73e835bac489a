// Tensor parallelism: which part of a model each of several ranks holds.

public import ModelFiles

/// Along what the rows of a matrix are shared out.
enum SplitAxis {
    /// Whole query heads.
    case heads
    /// Whole KV heads; of fewer heads than ranks each is held by several of them.
    case keyValueHeads
    /// Panels of 16 rows, as evenly as they come: MLP columns, the hidden size, the vocabulary.
    case panels
}

extension TensorRole {
    /// How the matrix is cut; nil for vectors that every rank has whole.
    ///
    /// All matrices are cut by rows, that is by outputs, those that others cut by columns, too: a rank computes whole
    /// sums, from inputs that it has gathered whole. So its results are those of one rank, bit for bit, and groups,
    /// blocks and orders of columns are what they are in the checkpoint.
    var split: SplitAxis? {
        switch self {
        case .query: .heads
        case .key, .value: .keyValueHeads
        case .tokenEmbedding, .outputHead, .attentionOutput, .gate, .up, .down, .gateUp, .expert, .sharedExpert: .panels
        // Fused Q, K and V are cut by `RowRange.split`. Every rank routes by itself: it must know all the experts.
        case .queryKeyValue, .router, .sharedExpertGate: nil
        case .outputNorm, .attentionNorm, .feedForwardNorm, .attentionOutputNorm, .feedForwardOutputNorm, .queryNorm,
            .keyNorm:
            nil
        }
    }
}

/// One rank's part of a model.
public struct ModelShard: Sendable, Equatable {
    public let rank: Int
    public let rankCount: Int
    private let headCount: Int
    private let keyValueHeadCount: Int

    private static let panelRows = 16

    private static func panels(_ rows: Int) -> Int { (rows + panelRows - 1) / panelRows }

    /// - Throws: If ranks so many cannot share the heads or have nothing to hold; the error names the count.
    public init(rank: Int, of rankCount: Int, _ configuration: ModelConfiguration) throws(ModelError) {
        precondition(rank >= 0 && rank < rankCount, "no such rank")
        self.rank = rank
        self.rankCount = rankCount
        headCount = configuration.headCount
        keyValueHeadCount = configuration.keyValueHeadCount
        try Self.check(configuration, rankCount: rankCount)
    }

    private static func check(_ configuration: ModelConfiguration, rankCount: Int) throws(ModelError) {
        guard rankCount > 1 else { return }
        let heads = configuration.headCount, keyValueHeads = configuration.keyValueHeadCount
        func canShare(_ count: Int) -> Bool {
            heads % count == 0 && (keyValueHeads % count == 0 || count % keyValueHeads == 0)
        }
        guard canShare(rankCount) else {
            let isHeads = heads % rankCount != 0
            throw .cannotSplit(
                isHeads ? "attention heads" : "KV heads", count: isHeads ? heads : keyValueHeads,
                ranks: rankCount, possible: (1...heads).filter(canShare))
        }
        var widths = [
            ("hidden columns", configuration.hiddenSize), ("tokens of the vocabulary", configuration.vocabularySize),
        ]
        let experts = configuration.experts
        if experts.map({ !$0.denseLayers.isEmpty }) ?? true {
            widths.append(("MLP columns", configuration.intermediateSize))
        }
        if let experts { widths.append(("columns of an expert", experts.intermediateSize)) }
        if let width = experts?.sharedIntermediateSize { widths.append(("columns of the shared expert", width)) }
        for (name, width) in widths where panels(width) < rankCount {
            let possible = (1...heads).filter { canShare($0) && $0 <= panels(width) }
            throw .cannotSplit(name, count: width, ranks: rankCount, possible: possible)
        }
    }

    public var isWhole: Bool { rankCount == 1 }

    /// The rows that a rank holds of `count` rows of a matrix.
    func rows(_ axis: SplitAxis, count: Int, rank: Int) -> Range<Int> {
        switch axis {
        case .heads:
            let perRank = count / rankCount
            return rank * perRank..<(rank + 1) * perRank
        case .keyValueHeads:
            let perHead = count / keyValueHeadCount, heads = max(1, keyValueHeadCount / rankCount)
            let first = rank * keyValueHeadCount / rankCount
            return first * perHead..<(first + heads) * perHead
        case .panels:
            let panels = Self.panels(count)
            func bound(_ rank: Int) -> Int { min(count, panels * rank / rankCount * Self.panelRows) }
            return bound(rank)..<bound(rank + 1)
        }
    }

    /// This rank's of `count` rows; all where they are not shared.
    func rows(_ axis: SplitAxis?, count: Int) -> Range<Int> {
        guard let axis, !isWhole else { return 0..<count }
        return rows(axis, count: count, rank: rank)
    }

    /// The configuration that this rank's attention has: its own heads.
    public func local(_ configuration: ModelConfiguration) -> ModelConfiguration {
        var local = configuration
        local.headCount = headCount / rankCount
        local.keyValueHeadCount = max(1, keyValueHeadCount / rankCount)
        return local
    }
}
