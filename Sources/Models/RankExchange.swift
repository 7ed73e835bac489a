// How the ranks of a model come by what the others have computed.

public import Kernels

/// Activations that every rank keeps whole, and computes some columns of.
///
/// A rank writes its columns before they are gathered, and nothing in the buffer afterwards until the next meeting:
/// others may still be reading.
public enum SharedBuffer: Int, Sendable, CaseIterable {
    /// The residual stream.
    case hidden
    /// Attention's output.
    case attention
    /// What the MLP's last product reads.
    case gated
    /// The same of experts; its rows are the places of their tokens.
    case expertGated
    /// The same of the expert that all tokens go to.
    case sharedGated
    /// What is normed before it is added to the residual stream.
    case branch
}

/// What a rank keeps of a model, as the others see it: views of memory that its executor owns.
public struct RankMemory {
    public let shard: ModelShard
    let buffers: DecoderBuffers
    let tokenEmbedding: PackedMatrix
    let vocabularySize: Int

    /// Shape [rows of the largest batch, hidden size].
    public var hidden: FloatMatrix { buffers.hidden }

    /// Shape [rows of the largest batch, columns of all ranks]; nil where the model has no such part.
    public func matrix(_ buffer: SharedBuffer) -> FloatMatrix? {
        switch buffer {
        case .hidden: buffers.hidden
        case .attention: buffers.attention.values
        case .gated: buffers.feedForward.gated.values
        case .expertGated: buffers.experts?.gated.gated.values
        case .sharedGated: buffers.experts?.shared?.gated.values
        case .branch: buffers.branch
        }
    }

    /// The columns of a buffer that `rank` computes.
    public func columns(of buffer: SharedBuffer, rank: Int) -> Range<Int> {
        guard let matrix = matrix(buffer) else { return 0..<0 }
        return shard.rows(buffer == .attention ? .heads : .panels, count: matrix.columnCount, rank: rank)
    }

    /// The tokens whose embedding and whose logits are `rank`'s.
    public func tokens(ofRank rank: Int) -> Range<Int> {
        shard.rows(.panels, count: vocabularySize, rank: rank)
    }

    /// What ranks of one model have in common, for comparison.
    public var summary: String {
        "\(buffers.hidden.columnCount) × \(buffers.attention.columnCount) × \(buffers.feedForward.gated.columnCount)"
    }

    /// Writes the embedding of a token of this rank to a row of `matrix`, shape [rows, hidden size].
    public func copyEmbedding(of token: Int, toRow row: Int, of matrix: FloatMatrix) {
        tokenEmbedding.copyRow(token - tokens(ofRank: shard.rank).lowerBound, to: row, of: matrix)
    }
}

/// The meeting of ranks in the middle of a forward pass. All workers of all ranks make the same calls in one order.
///
/// Values are passed on as they are, and nothing is summed: the result cannot depend on who came first.
public protocol RankExchange: AnyObject {
    /// Writes the embeddings of the tokens to the first rows of the residual stream.
    func embed(_ tokens: [Int32], _ worker: Worker)
    /// Gives every rank the columns of the first `rows` rows of a buffer that the others have computed.
    func gather(_ buffer: SharedBuffer, rows: Int, _ worker: Worker)
    /// Waits until every rank has come here: where nothing else keeps a buffer from being written before the others
    /// have read what they gathered from it.
    func meet(_ worker: Worker)
    /// Gives the first rank the logits of the others' tokens in the first `rows` rows.
    func collect(_ logits: LogitsBuffer, rows: Int, _ worker: Worker)
}

/// Between ranks of one process: each reads the memory of the others.
///
/// One for each rank. Between two writes of a buffer there is always a meeting after the others have read it: mostly
/// that of the next buffer.
final class SharedMemoryExchange: RankExchange {
    private let rank: Int
    private let members: [RankMemory]
    /// By buffer and rank; and the columns that the rank computes.
    private let matrices: [[FloatMatrix?]]
    private let columns: [[Range<Int>]]
    /// By rank.
    private let tokens: [Range<Int>]
    /// The ranks' first workers, one a rank, in a job of their own.
    private let leaders: WorkerPool

    /// - Parameter members: All ranks, in their order.
    init(rank: Int, members: [RankMemory], leaders: WorkerPool) {
        self.rank = rank
        self.members = members
        self.leaders = leaders
        matrices = SharedBuffer.allCases.map { buffer in members.map { $0.matrix(buffer) } }
        columns = SharedBuffer.allCases.map { buffer in
            members.indices.map { members[$0].columns(of: buffer, rank: $0) }
        }
        tokens = members.indices.map { members[$0].tokens(ofRank: $0) }
    }

    /// The rank's own workers have met in the stage before.
    func meet(_ worker: Worker) {
        if worker.index == 0 { leaders.meet(as: rank) }
        worker.meetOthers()
    }

    func embed(_ tokenIDs: [Int32], _ worker: Worker) {
        let own = members[rank].hidden
        worker.stage(tiles: tokenIDs.count) { row in
            let token = Int(tokenIDs[row])
            for owner in tokens.indices where tokens[owner].contains(token) {
                members[owner].copyEmbedding(of: token, toRow: row, of: own)
            }
        }
    }

    func gather(_ buffer: SharedBuffer, rows: Int, _ worker: Worker) {
        meet(worker)
        let matrices = matrices[buffer.rawValue], columns = columns[buffer.rawValue]
        guard let own = matrices[rank] else { return }
        worker.stage(tiles: rows) { row in
            for other in matrices.indices where other != rank {
                matrices[other]?.copyColumns(columns[other], ofRow: row, to: own)
            }
        }
    }

    /// All ranks write to the same buffer, and the job ends when the last one has.
    func collect(_ logits: LogitsBuffer, rows: Int, _ worker: Worker) {}
}
