// A scheduler whose decisions are looked at one by one.

import Primitives
import Scheduling

/// A scheduler whose every step is committed at once; a sequence goes on until it is finished by hand.
struct Bench: ~Copyable {
    var scheduler: Scheduler
    var batch = Batch()

    init(blockCount: Int = 100, _ change: (inout SchedulerLimits) -> Void = { _ in }) {
        var limits = SchedulerLimits(maxModelLength: 1_000, blockSize: 4, blockCount: blockCount)
        limits.admissionDelay = .zero
        change(&limits)
        scheduler = Scheduler(limits: limits)
    }

    mutating func submit(
        _ promptCount: Int, samples: Int = 1, priority: Int = 0, maximumTokens: Int = 10
    ) throws -> [SequenceHandle] {
        var request = SequenceRequest(promptCount: promptCount, maximumTokens: maximumTokens)
        request.sampleCount = samples
        request.priority = priority
        return try scheduler.submit(request, at: Instant(nanoseconds: 0))
    }

    /// Plans, commits and extends; the plan as (sequence, start, count).
    @discardableResult
    mutating func step(prefillRows: Int? = nil) throws -> [Planned] {
        try step(allowing: PrefillAllowance(rows: prefillRows))
    }

    @discardableResult
    mutating func step(allowing allowance: PrefillAllowance) throws -> [Planned] {
        scheduler.schedule(at: Instant(nanoseconds: 0), allowing: allowance, into: &batch)
        try scheduler.checkInvariants(of: batch)
        let siblings = batch.entries.map { $0.samples ? scheduler.unforkedSiblings(of: $0.sequence) : [] }
        scheduler.commit(batch)
        for (entry, siblings) in zip(batch.entries, siblings) where entry.samples {
            for sequence in [entry.sequence] + siblings {
                scheduler.extend(sequence)
            }
        }
        try scheduler.checkInvariants()
        return batch.entries.map { Planned($0.sequence, $0.start, $0.count) }
    }
}

struct Planned: Equatable {
    var sequence: SequenceHandle
    var start: Int
    var count: Int

    init(_ sequence: SequenceHandle, _ start: Int, _ count: Int) {
        self.sequence = sequence
        self.start = start
        self.count = count
    }
}
