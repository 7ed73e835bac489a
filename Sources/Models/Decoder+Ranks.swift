// Where ranks meet in a forward pass.

internal import Kernels

/// A rank's place in buffers that all ranks have whole.
struct RankShare {
    /// The columns that it computes, by buffer; empty where one rank has the whole model.
    private let columns: [Range<Int>]
    /// The first token whose logits are this rank's.
    let firstToken: Int
    /// Nil where one rank has the whole model.
    let exchange: (any RankExchange)?

    static var whole: RankShare {
        RankShare(columns: [], firstToken: 0, exchange: nil)
    }

    var isWhole: Bool { exchange == nil }

    /// The columns of a buffer that this rank computes; nil: all of them.
    func columns(of buffer: SharedBuffer) -> Range<Int>? { isWhole ? nil : columns[buffer.rawValue] }

    func firstColumn(of buffer: SharedBuffer) -> Int { columns(of: buffer)?.lowerBound ?? 0 }
}

extension RankShare {
    init(_ memory: RankMemory, exchange: any RankExchange) {
        let rank = memory.shard.rank
        columns = SharedBuffer.allCases.map { memory.columns(of: $0, rank: rank) }
        firstToken = memory.tokens(ofRank: rank).lowerBound
        self.exchange = exchange
    }
}

extension Decoder {
    /// Writes the tokens' embeddings to the residual stream.
    func embed(_ tokenIDs: [Int32], _ worker: Worker) {
        guard let exchange = share.exchange else {
            return worker.stage(tiles: tokenIDs.count) { row in
                weights.tokenEmbedding.copyRow(Int(tokenIDs[row]), to: row, of: buffers.hidden)
                if let scale = settings.embeddingScale { kernels.scale(buffers.hidden, row: row, by: scale) }
            }
        }
        exchange.embed(tokenIDs, worker)
        if let scale = settings.embeddingScale {
            worker.stage(tiles: tokenIDs.count) { row in kernels.scale(buffers.hidden, row: row, by: scale) }
        }
    }

    /// Completes a buffer of which this rank has written its own columns. What every rank computes of whole rows, such
    /// as norms, comes afterwards.
    func gather(_ buffer: SharedBuffer, rows: Int, _ worker: Worker) {
        share.exchange?.gather(buffer, rows: rows, worker)
    }

    /// This rank's memory, for the others.
    func memory(_ shard: ModelShard, vocabularySize: Int) -> RankMemory {
        RankMemory(
            shard: shard, buffers: buffers, tokenEmbedding: weights.tokenEmbedding, vocabularySize: vocabularySize)
    }

    func joined(_ share: RankShare) -> Decoder {
        Decoder(
            configuration: configuration, settings: settings, weights: weights, buffers: buffers, rotary: rotary,
            slidingRotary: slidingRotary, cache: cache, kernels: kernels, workerCount: workerCount, share: share)
    }
}
