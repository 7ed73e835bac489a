// What the layers' attention of a batch has in common: how it is shared among the workers, and rotations.

internal import Kernels
internal import ModelFiles

/// The tasks of one step's attention, the same for every layer.
///
/// What a task computes does not depend on how the work is cut: the parts of a context are the same, and are merged in
/// the same order, whoever computes them.
struct AttentionPlan {
    /// In the first stage.
    private(set) var tasks: [KVCacheStorage.AttentionTask] = []
    /// In a stage of their own, after it: those whose parts were computed one by one.
    private(set) var merges: [KVCacheStorage.AttentionTask] = []

    /// Of each row, the variant of the rotation that its sequence has; empty where all have the same.
    private var rotaryVariants: [Int] = []

    private let ropeScaling: RopeScaling
    private let keyValueHeadCount: Int
    private let groupSize: Int
    private let workerCount: Int
    private let partialCapacity: Int

    /// - Parameter partialCapacity: Partial results that there is room for; see `partialCount`.
    init(_ configuration: ModelConfiguration, workerCount: Int, partialCapacity: Int) {
        ropeScaling = configuration.ropeScaling
        keyValueHeadCount = configuration.keyValueHeadCount
        groupSize = configuration.headCount / configuration.keyValueHeadCount
        self.workerCount = workerCount
        self.partialCapacity = partialCapacity
    }

    /// Partial results for as many single rows as are ever cut, of up to `maximumLength` tokens each, and no more than
    /// a cache of `cacheTokens` holds; and for one task of several rows with all its heads.
    static func partialCount(
        _ configuration: ModelConfiguration, maximumLength: Int, cacheTokens: Int, workerCount: Int
    ) -> Int {
        let partSize = KVCacheStorage.AttentionTask.partSize, contexts = tasksPerWorker * workerCount
        let parts = (maximumLength + partSize - 1) / partSize
        let ofRows = min(parts, 1 + cacheTokens / partSize) * KVCacheStorage.AttentionTask.maximumRows
        return configuration.headCount * (min(contexts * parts, contexts + cacheTokens / partSize) + ofRows)
    }

    /// A task that is more than one of so many equal ones for each worker is cut.
    private static let tasksPerWorker = 4

    /// Cuts every sequence's rows into tasks of one KV head each; of a single row with a context of several parts into
    /// tasks of neighbouring heads, so that the cache is read in the order in which it is in memory. Tasks that are a
    /// large part of the work, as when one user has a long conversation, or a few rows of a long prompt come beside
    /// short streams, are cut further, into the parts of their contexts. The largest come first, so that the workers
    /// finish together.
    mutating func make(for sequences: [ForwardBatch.Sequence]) {
        tasks.removeAll(keepingCapacity: true)
        merges.removeAll(keepingCapacity: true)
        let most = Int32(KVCacheStorage.AttentionTask.maximumRows)
        for sequence in sequences {
            let start = sequence.contextLength - sequence.rowCount
            let readsMuch = sequence.rowCount == 1 && start >= Int32(KVCacheStorage.AttentionTask.partSize)
            let heads = readsMuch ? min(keyValueHeadCount, Int(most)) : 1
            for offset in stride(from: 0, to: sequence.rowCount, by: Int(most)) {
                for head in stride(from: 0, to: keyValueHeadCount, by: heads) {
                    let last = min(keyValueHeadCount, head + heads)
                    tasks.append(
                        KVCacheStorage.AttentionTask(
                            firstRow: sequence.firstRow + offset, rowCount: min(most, sequence.rowCount - offset),
                            firstPosition: start + offset, keyValueHeads: Int32(head)..<Int32(last),
                            blockTableOffset: sequence.blockTableOffset))
                }
            }
        }
        if workerCount > 1 { cutIntoParts() }
        tasks.sort { Self.work(of: $0) > Self.work(of: $1) }
        setRotaryVariants(for: sequences)
    }

    /// See `RopeScaling.variant(promptLength:)`.
    func rotaryVariant(ofRow row: Int) -> Int {
        row < rotaryVariants.count ? rotaryVariants[row] : 0
    }

    private mutating func setRotaryVariants(for sequences: [ForwardBatch.Sequence]) {
        rotaryVariants.removeAll(keepingCapacity: true)
        guard case .dynamicNTK = ropeScaling else { return }
        for sequence in sequences {
            let variant = ropeScaling.variant(promptLength: Int(sequence.promptLength))
            let end = Int(sequence.firstRow) + Int(sequence.rowCount)
            if rotaryVariants.count < end {
                rotaryVariants.append(contentsOf: repeatElement(0, count: end - rotaryVariants.count))
            }
            for row in Int(sequence.firstRow)..<end { rotaryVariants[row] = variant }
        }
    }

    /// Positions that its rows see, for each of its heads.
    private static func work(of task: KVCacheStorage.AttentionTask) -> Int {
        let seen = Int(task.firstPosition) + Int(task.rowCount)
        let positions = task.part == nil ? seen : min(seen, KVCacheStorage.AttentionTask.partSize)
        return Int(task.rowCount) * task.keyValueHeads.count * positions
    }

    private mutating func cutIntoParts() {
        let share = tasks.reduce(0) { $0 + Self.work(of: $1) } / (Self.tasksPerWorker * workerCount)
        var row = 0
        for index in tasks.indices where tasks[index].partCount > 1 && Self.work(of: tasks[index]) > share {
            let task = tasks[index], partCount = task.partCount
            let results = Int(task.rowCount) * task.keyValueHeads.count * groupSize
            guard row + partCount * results <= partialCapacity else { return }
            var merge = task
            merge.partialRow = Int32(row)
            merges.append(merge)
            for part in 0..<partCount {
                var piece = task
                piece.part = Int32(part)
                piece.partialRow = Int32(row + part * results)
                if part == 0 { tasks[index] = piece } else { tasks.append(piece) }
            }
            row += partCount * results
        }
    }
}
