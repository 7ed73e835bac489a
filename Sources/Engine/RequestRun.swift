// A request and its samples as the engine's thread keeps them.

import Primitives
import Sampling
import Scheduling

/// One sample of a request.
struct SequenceRun {
    let handle: SequenceHandle
    /// Made with the first draw, since its counts are as large as the vocabulary and a queue may be long.
    var sampler: SequenceSampler?
    var output: [TokenID] = []
    var scheduled: Instant?
    var firstToken: Instant?
    var lastToken: Instant?
    /// Its own from its first token on; until then the first sample's stands for all.
    var ledger: SequenceLedger
    var firstTokenParts: LatencyParts?
    /// The name of its last full block, or what the first one's hangs on; nil if it shares none.
    var lastBlockHash: BlockHash?
    var hasEnded = false

    init(handle: SequenceHandle, ledger: SequenceLedger, lastBlockHash: BlockHash?) {
        self.handle = handle
        self.ledger = ledger
        self.lastBlockHash = lastBlockHash
    }
}

/// A request from submission to the end of its last choice. Belongs to the engine's thread.
final class RequestRun {
    let request: EngineRequest
    let queue: EventQueue
    let queued: Instant
    /// The scheduler's number of it.
    let tenant: Int
    /// Its place in the statistics.
    let tenantPlace: Int
    let stopRule: StopRule
    /// By choice.
    var sequences: [SequenceRun]
    var openCount: Int
    private(set) var expiry: RequestExpiry?
    /// Of the prompt's tokens from the second on, as far as computed.
    var promptLogprobs: [PositionLogprobs] = []
    /// This step's events, and the choices that they end.
    private var outbox: [EngineEvent] = []
    private var endings: [ChoiceEnd] = []

    init(
        _ submission: Submission, handles: [SequenceHandle], tenant: Int, tenantPlace: Int, maxModelLength: Int
    ) {
        request = submission.request
        queue = submission.queue
        queued = submission.queued
        self.tenant = tenant
        self.tenantPlace = tenantPlace
        stopRule = StopRule(
            parameters: request.parameters, promptTokenCount: request.promptTokenIDs.count,
            maxModelLength: maxModelLength)
        // What came before its own arrival can't be told apart from after it.
        let arrival = min(submission.request.origin.arrival, submission.queued)
        let ledger = SequenceLedger(arrival: arrival, queued: submission.queued)
        let lastBlockHash = request.blockHashes.last ?? request.prefixRoot
        sequences = handles.map { SequenceRun(handle: $0, ledger: ledger, lastBlockHash: lastBlockHash) }
        openCount = handles.count
    }

    // MARK: - Time limits

    private var hasBegun: Bool { sequences[0].scheduled != nil }

    /// When it has to be looked at next.
    var nextExpiry: Instant? {
        let startBy = hasBegun ? nil : request.startBy
        guard let deadline = request.deadline else { return startBy }
        return min(startBy ?? deadline, deadline)
    }

    /// Whether its time is over; noted for whoever reads its events.
    func expires(at now: Instant) -> Bool {
        if let deadline = request.deadline, deadline <= now {
            expiry = .deadline
        } else if !hasBegun, let startBy = request.startBy, startBy <= now {
            expiry = .queueTime
        }
        guard let expiry else { return false }
        queue.tell(expiry: expiry)
        return true
    }

    // MARK: - Events

    /// Whether the step has something to tell the client.
    var hasNews: Bool { !outbox.isEmpty }

    func append(_ event: EngineEvent) {
        outbox.append(event)
    }

    func noteEnd(of choice: Int, at now: Instant) {
        endings.append(ChoiceEnd(choice: choice, moment: now))
    }

    func deliver() {
        queue.deliver(outbox, endings: endings)
        outbox.removeAll(keepingCapacity: true)
        endings.removeAll(keepingCapacity: true)
    }

    /// The token at `position` of sample `choice`.
    func token(at position: Int, choice: Int) -> TokenID {
        let promptCount = request.promptTokenIDs.count
        return position < promptCount
            ? request.promptTokenIDs[position] : sequences[choice].output[position - promptCount]
    }

    /// The name of the block that the last token of sample `choice` fills; nil if it fills none, or shares none.
    func nameLastBlock(of choice: Int, _ hasher: inout PrefixHasher) -> BlockHash? {
        let count = request.promptTokenIDs.count + sequences[choice].output.count
        guard let parent = sequences[choice].lastBlockHash, count % hasher.blockSize == 0 else { return nil }
        let tokens = (count - hasher.blockSize..<count).map { token(at: $0, choice: choice) }
        let name = hasher.name(of: tokens, after: parent)
        sequences[choice].lastBlockHash = name
        return name
    }

    /// The sample whose ledger has the time of sample `choice`.
    func ledgerIndex(of choice: Int) -> Int {
        sequences[choice].firstToken == nil ? 0 : choice
    }

    /// The life of a sample that ends `now` with `reason`, or goes on.
    func statistics(
        of choice: Int, reason: FinishReason?, in scheduler: borrowing Scheduler, at now: Instant,
        _ clock: QueueClock
    ) -> SequenceStatistics {
        let sequence = sequences[choice]
        var ledger = sequences[ledgerIndex(of: choice)].ledger
        ledger.close(at: now, clock)
        var statistics = SequenceStatistics(
            request: request.id, choice: choice, reason: reason, promptTokenCount: request.promptTokenIDs.count,
            generatedTokenCount: sequence.output.count, sampleCount: request.sampleCount,
            maximumTokens: request.parameters.maximumTokens,
            preemptionCount: scheduler.preemptionCount(of: sequence.handle),
            arrival: request.origin.arrival, queued: queued, scheduled: sequence.scheduled,
            firstToken: sequence.firstToken, lastToken: sequence.lastToken, finished: now)
        statistics.origin = request.origin
        statistics.cachedPromptTokenCount = scheduler.foundTokenCount(of: sequence.handle)
        statistics.expiry = expiry
        statistics.phase = reason == nil ? ledger.phase : .ended
        statistics.temperature = request.parameters.temperature
        statistics.topP = request.parameters.topP
        statistics.priority = request.priority
        statistics.blockNames = request.blockNames
        statistics.parts = ledger.parts
        statistics.firstTokenParts = sequence.firstTokenParts
        statistics.prefillChunks = ledger.chunks
        statistics.preemptions = ledger.preemptions
        return statistics
    }
}
