// Who owns the time of a sequence, written down as it passes.

import Primitives
import Scheduling

/// How long each cause has held the head of the queue, and with it those behind: who overtakes it waits no more.
///
/// So a waiting sequence costs nothing per step: it reads the clock when it begins to wait and when it stops.
struct QueueClock {
    private var elapsed = LatencyParts()
    private var part = LatencyPart.queueTokenBudget
    private var moment = Instant(nanoseconds: 0)

    /// A step was planned at `now`; `cause` holds the queue from here on, or nobody waits.
    mutating func advance(to now: Instant, cause: WaitingCause?) {
        elapsed = reading(at: now)
        moment = now
        part = cause.map { LatencyPart($0) } ?? .queueTokenBudget
    }

    func reading(at now: Instant) -> LatencyParts {
        var reading = elapsed
        reading[part] += max(0, now.nanoseconds &- moment.nanoseconds)
        return reading
    }
}

/// The time of one sequence by owner. Each call assigns what passed since the one before, so that nothing is left out
/// or counted twice. Samples of a prompt share the first one's until they have a token.
struct SequenceLedger {
    private(set) var parts = LatencyParts()
    private(set) var phase = SequencePhase.queued
    private(set) var chunks: [PrefillChunk] = []
    private(set) var preemptions: [PreemptionSpan] = []
    private var accountedUntil: Instant
    /// What the queue's clock showed when the first step after its arrival left it waiting.
    private var queueReading: LatencyParts?
    private var computedCount = 0
    /// Tokens that it had in the cache when it lost its blocks.
    private var lostCount = 0

    /// Chunks and preemptions kept one by one.
    private static let listLimit = 32

    init(arrival: Instant, queued: Instant) {
        accountedUntil = arrival
        assign(.admission, until: queued)
    }

    private mutating func assign(_ part: LatencyPart, until moment: Instant) {
        guard moment > accountedUntil else { return }
        parts[part] += moment.nanoseconds - accountedUntil.nanoseconds
        accountedUntil = moment
    }

    private mutating func assign(_ part: LatencyPart, nanoseconds: Int64, until limit: Instant) {
        assign(part, until: min(limit, Instant(nanoseconds: accountedUntil.nanoseconds &+ max(0, nanoseconds))))
    }

    // MARK: - The queue

    /// The first step after its arrival is planned and leaves it waiting.
    mutating func wait(at now: Instant, for cause: WaitingCause, _ clock: QueueClock) {
        assign(LatencyPart(cause), until: now)
        queueReading = clock.reading(at: now)
    }

    /// It is planned for, for the first time or again.
    mutating func admit(at now: Instant, _ clock: QueueClock) {
        guard phase == .queued else { return assign(.preemption, until: now) }
        leaveQueue(at: now, clock)
        phase = .prefill
    }

    private mutating func leaveQueue(at now: Instant, _ clock: QueueClock) {
        if let queueReading, now > accountedUntil {
            parts += clock.reading(at: now) - queueReading
            accountedUntil = now
        }
        // Without a reading: the step that was under way when it came is all that it waited for.
        assign(.queueTokenBudget, until: now)
    }

    mutating func preempt(at now: Instant) {
        assign(usual, until: now)
        phase = .preempted
        lostCount = max(lostCount, computedCount)
        computedCount = 0
        if preemptions.count < Self.listLimit { preemptions.append(PreemptionSpan(started: now)) }
    }

    // MARK: - Steps

    mutating func note(_ entry: Batch.Entry, isDecode: Bool, in step: StepShares) {
        computedCount = entry.end
        if phase == .preempted {
            assign(.preemption, until: step.ended)
            if entry.end >= lostCount { recover(at: step.ended) }
        } else {
            // It went on running, and whole steps went by without a row for it.
            if accountedUntil < step.previousEnd { assign(.othersPrefill, until: step.previousEnd) }
            let others = step.othersPrefillTime(ownRows: isDecode ? 0 : entry.count)
            assign(.othersPrefill, nanoseconds: others, until: step.ended)
            assign(isDecode ? .decode : .ownPrefill, until: step.ended)
            if !isDecode { append(PrefillChunk(started: step.started, ended: step.ended, tokenCount: entry.count)) }
        }
        if entry.samples, phase == .prefill { phase = .decode }
    }

    private mutating func recover(at now: Instant) {
        phase = .prefill
        lostCount = 0
        if let last = preemptions.indices.last, preemptions[last].recovered == nil { preemptions[last].recovered = now }
    }

    private mutating func append(_ chunk: PrefillChunk) {
        guard chunks.count >= Self.listLimit, let last = chunks.indices.last else { return chunks.append(chunk) }
        chunks[last].ended = chunk.ended
        chunks[last].tokenCount += chunk.tokenCount
        chunks[last].stepCount += 1
    }

    // MARK: - The end

    /// Assigns what is left until `now`.
    mutating func close(at now: Instant, _ clock: QueueClock) {
        if phase == .queued { leaveQueue(at: now, clock) } else { assign(usual, until: now) }
    }

    /// Who owns the time between two events.
    private var usual: LatencyPart {
        switch phase {
        case .queued: .queueTokenBudget
        case .prefill: .ownPrefill
        case .decode, .ended: .decode
        case .preempted: .preemption
        }
    }
}

extension LatencyPart {
    init(_ cause: WaitingCause) {
        self =
            switch cause {
            case .slots: .queueSlots
            case .blocks: .queueBlocks
            case .tokenBudget: .queueTokenBudget
            case .tenant: .queueTenant
            }
    }
}
