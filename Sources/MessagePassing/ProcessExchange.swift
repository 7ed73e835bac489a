// The meeting of ranks in processes of their own.

internal import Kernels
internal import Models

/// Passes activations on through a transport, which the rank's first worker alone uses.
final class ProcessExchange: RankExchange {
    private let memory: RankMemory
    private let transport: any RankTransport
    /// Told when the ranks can no longer meet; does not return.
    private let fail: @Sendable (RankError) -> Void
    private let columns: [[Range<Int>]]
    private let tokens: [Range<Int>]
    /// Of the rows of a batch, the ranks of their tokens; the first worker's.
    private var owners: [Int32] = []

    init(memory: RankMemory, transport: any RankTransport, fail: @escaping @Sendable (RankError) -> Void) {
        self.memory = memory
        self.transport = transport
        self.fail = fail
        let ranks = 0..<transport.rankCount
        columns = SharedBuffer.allCases.map { buffer in ranks.map { memory.columns(of: buffer, rank: $0) } }
        tokens = ranks.map { memory.tokens(ofRank: $0) }
    }

    /// Has the first worker do what only one may; the others wait for it.
    private func alone(_ worker: Worker, _ body: () throws(RankError) -> Void) {
        if worker.index == 0 {
            do throws(RankError) { try body() } catch { fail(error) }
        }
        worker.meetOthers()
    }

    func embed(_ tokenIDs: [Int32], _ worker: Worker) {
        let hidden = memory.hidden, own = tokens[transport.rank]
        worker.stage(tiles: tokenIDs.count) { row in
            let token = Int(tokenIDs[row])
            if own.contains(token) { memory.copyEmbedding(of: token, toRow: row, of: hidden) }
        }
        alone(worker) { () throws(RankError) in
            owners.removeAll(keepingCapacity: true)
            for token in tokenIDs {
                owners.append(Int32(tokens.firstIndex { $0.contains(Int(token)) } ?? 0))
            }
            try transport.exchangeRows(of: hidden, owners: owners)
        }
    }

    func gather(_ buffer: SharedBuffer, rows: Int, _ worker: Worker) {
        alone(worker) { () throws(RankError) in
            guard let matrix = memory.matrix(buffer) else { return }
            try transport.gather(matrix, rows: rows, columns: columns[buffer.rawValue], root: nil)
        }
    }

    /// Nobody reads this rank's memory.
    func meet(_ worker: Worker) {}

    func collect(_ logits: LogitsBuffer, rows: Int, _ worker: Worker) {
        alone(worker) { () throws(RankError) in
            guard let matrix = logits.matrix else { return }
            try transport.gather(matrix, rows: rows, columns: tokens, root: 0)
        }
    }
}
