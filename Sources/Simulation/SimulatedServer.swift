// One server in simulated time: the real scheduler, and steps that take what the cost model says.

internal import Engine
internal import Primitives
internal import Scheduling
internal import Workload

/// Goes through the turns of the engine's loop (`EngineLoop`) in its order: what came, what left, a plan, a step; at
/// the step's end its tokens, in the order of the plan.
final class SimulatedServer {
    /// A sample that has not left the scheduler.
    struct Member {
        var request: Int
        var sample: Int
        /// Tokens that count, and those after which it leaves: more of them in a static batch, as padding.
        var countedTokens: Int
        var lastsFor: Int
        var output = 0
        var lastToken: Instant?
        /// Its blocks can be found.
        var isNamed: Bool

        var hasEnded: Bool { output >= max(1, countedTokens) }
    }

    /// A request that has been taken in.
    struct Progress {
        var openSamples: Int
        var hasFirstToken = false
    }

    /// Sequences that it was given and has not ended: what arrivals are shared out by.
    private(set) var openCount = 0
    private(set) var outcome = ReplayOutcome()
    private(set) var lastEnd: Instant?
    private(set) var nextTurn: Instant?

    private let plan: ReplayPlan
    private var scheduler: Scheduler
    private var pacer: PrefillPacer
    private var walk: SpreadWalk
    /// By handle index.
    private var members: [Member?] = []
    private var progress: [Int: Progress] = [:]
    /// Requests that have come and are not in the scheduler yet.
    private var inbox: [Int] = []
    /// Requests whose clients leave without a token.
    private var leaving: [(departure: Instant, request: Int, handles: [SequenceHandle])] = []
    private var batch = Batch()
    /// The step under way.
    private var step: StepSample?
    private var emptyTurns = 0

    /// So many turns in a row without anything to compute mean that there never will be.
    private static let toleratedEmptyTurns = 8

    init(_ plan: ReplayPlan, number: Int) {
        self.plan = plan
        scheduler = Scheduler(limits: plan.limits)
        pacer = PrefillPacer(slowdown: plan.maxDecodeSlowdown)
        walk = SpreadWalk(seed: plan.seed &+ UInt64(number) &* 0x9E37_79B9_7F4A_7C15)
    }

    // MARK: - Time

    /// Takes a request; its arrival is not before any turn that has been.
    func accept(_ request: Int) {
        inbox.append(request)
        openCount += plan.requests[request].generatedTokenCounts.count
        if nextTurn == nil { nextTurn = plan.arrival(of: request) }
    }

    /// Takes all turns before `moment`; nil: all there are.
    func advance(before moment: Instant?, eachStep: (StepSample) -> Void) throws(SimulationError) {
        while let turn = nextTurn, moment.map({ turn < $0 }) ?? true {
            try take(turn, eachStep)
        }
    }

    private func take(_ now: Instant, _ eachStep: (StepSample) -> Void) throws(SimulationError) {
        if let step { complete(step, at: now) }
        step = nil
        takeInbox(at: now)
        dropLeaving(at: now)
        guard scheduler.hasWork else {
            // A static batch that nobody stayed in is followed by the next one.
            nextTurn = inbox.isEmpty ? nil : now
            return
        }
        let planned = planStep(at: now)
        eachStep(planned)
        emptyTurns = batch.entries.isEmpty ? emptyTurns + 1 : 0
        guard emptyTurns <= Self.toleratedEmptyTurns else { throw .stalled }
        let elapsed = now.seconds(since: Instant(nanoseconds: 0)) + planned.seconds
        guard outcome.stepCount < ReplayLimits.mostSteps, elapsed <= ReplayLimits.mostElapsedSeconds else {
            throw .tooLong(stepCount: outcome.stepCount)
        }
        outcome.stepCount += 1
        step = planned
        nextTurn = now.advanced(by: .seconds(planned.seconds))
    }

    // MARK: - Arrivals

    private func takeInbox(at now: Instant) {
        guard plan.isStatic else {
            for request in inbox { submit(request, at: now) }
            return inbox.removeAll(keepingCapacity: true)
        }
        guard !scheduler.hasWork else { return }
        var places = plan.batchPlaces
        var taken = 0
        for request in inbox {
            let count = plan.requests[request].generatedTokenCounts.count
            // Who never fits is refused, and takes no place.
            guard count <= places || count > plan.batchPlaces else { break }
            taken += 1
            if submit(request, at: now) { places -= count }
        }
        inbox.removeFirst(taken)
        let longest = members.reduce(0) { max($0, $1?.lastsFor ?? 0) }
        for index in members.indices {
            guard let member = members[index] else { continue }
            let room = plan.limits.maxModelLength - plan.requests[member.request].promptTokenCount
            members[index]?.lastsFor = min(longest, room)
        }
    }

    /// - Returns: whether it is in the scheduler now.
    @discardableResult
    private func submit(_ request: Int, at now: Instant) -> Bool {
        let own = plan.requests[request], departure = plan.departure(of: request)
        if let departure, departure <= now {
            openCount -= own.generatedTokenCounts.count
            noteEnd(at: departure)
            return false
        }
        guard let numbers = try? plan.sequenceRequest(request),
            let handles = try? scheduler.submit(numbers, at: plan.arrival(of: request))
        else {
            openCount -= own.generatedTokenCounts.count
            outcome.refusedCount += 1
            return false
        }
        progress[request] = Progress(openSamples: handles.count)
        for (sample, handle) in handles.enumerated() {
            while members.count <= handle.index { members.append(nil) }
            let counted = plan.tokenCount(of: request, sample: sample)
            members[handle.index] = Member(
                request: request, sample: sample, countedTokens: counted, lastsFor: max(1, counted),
                isNamed: plan.cachesPrefixes && plan.names.shares(own))
        }
        if let departure { leaving.append((departure, request, handles)) }
        return true
    }

    private func dropLeaving(at now: Instant) {
        guard !leaving.isEmpty else { return }
        for entry in leaving where entry.departure <= now {
            // The first sample last: the scheduler ends those that still wait for it along with it.
            for handle in entry.handles.reversed() where members[handle.index]?.request == entry.request {
                end(handle, at: now)
            }
        }
        leaving.removeAll { $0.departure <= now || progress[$0.request] == nil }
    }

    // MARK: - Steps

    private func planStep(at now: Instant) -> StepSample {
        scheduler.schedule(at: now, allowing: pacer.allowance(in: scheduler), into: &batch)
        outcome.preemptionCount += batch.preempted.count
        var step = StepSample(
            sequenceCount: batch.entries.count, prefillRowCount: 0, decodeRowCount: 0,
            logitRowCount: batch.logitRowCount, attendedTokenCount: 0, contextTokenCount: 0, seconds: 0)
        for entry in batch.entries {
            // Within 2^57, since a step's rows have slots of their own and a sequence has at most 2^24 tokens.
            step.attendedTokenCount += (entry.start + 1 + entry.end) * entry.count / 2
            step.contextTokenCount += entry.end
            if entry.count == 1, entry.start >= promptCount(of: entry.sequence) {
                step.decodeRowCount += 1
            } else {
                step.prefillRowCount += entry.count
            }
        }
        step.seconds = plan.costs.seconds(of: step, along: &walk)
        return step
    }

    private func promptCount(of sequence: SequenceHandle) -> Int {
        members[sequence.index].map { plan.requests[$0.request].promptTokenCount } ?? 0
    }

    private func complete(_ step: StepSample, at now: Instant) {
        var drawn: [SequenceHandle] = []
        for entry in batch.entries where entry.samples {
            drawn.append(entry.sequence)
            drawn += scheduler.unforkedSiblings(of: entry.sequence)
        }
        scheduler.commit(batch)
        pacer.note(prefillRows: step.prefillRowCount, decodeRows: step.decodeRowCount, seconds: step.seconds)
        noteMemory(of: step)
        for handle in drawn { record(handle, at: now) }
    }

    /// What was held during the step, with all that it computed.
    private func noteMemory(of step: StepSample) {
        var held = scheduler.cachedTokenCount
        var running = scheduler.runningCount
        if plan.isStatic {
            for (index, member) in members.enumerated() {
                guard let member, member.hasEnded else { continue }
                held -= scheduler.computedTokenCount(of: SequenceHandle(index: index))
                running -= 1
            }
        }
        outcome.busySeconds += step.seconds
        outcome.heldTokenSeconds += Double(held) * step.seconds
        outcome.usedSlotSeconds += Double(scheduler.usedBlockCount * plan.limits.blockSize) * step.seconds
        outcome.runningSeconds += Double(running) * step.seconds
    }

    // MARK: - Tokens

    private func record(_ handle: SequenceHandle, at now: Instant) {
        guard var member = members[handle.index] else { return }
        member.output += 1
        if member.output <= member.countedTokens { noteToken(of: &member, handle, at: now) }
        members[handle.index] = member
        if member.output == max(1, member.countedTokens) { noteEnd(of: member, at: now) }
        guard member.output < member.lastsFor else {
            members[handle.index] = nil
            return scheduler.finish(handle)
        }
        let tokenCount = plan.requests[member.request].promptTokenCount + member.output
        let (block, offset) = tokenCount.quotientAndRemainder(dividingBy: plan.limits.blockSize)
        let isFull = member.isNamed && offset == 0
        scheduler.extend(
            handle,
            blockHash: isFull ? plan.names.own(member.request, sample: member.sample, block: block - 1) : nil)
    }

    private func noteToken(of member: inout Member, _ handle: SequenceHandle, at now: Instant) {
        outcome.generatedTokenCount += 1
        if let last = member.lastToken {
            outcome.interTokenLatencies.append(now.seconds(since: last))
        } else if progress[member.request]?.hasFirstToken == false {
            progress[member.request]?.hasFirstToken = true
            let own = plan.requests[member.request]
            outcome.promptTokenCount += own.promptTokenCount
            outcome.cachedPromptTokenCount += scheduler.foundTokenCount(of: handle)
            if !own.wasAborted {
                outcome.firstTokenLatencies.append(now.seconds(since: plan.arrival(of: member.request)))
            }
        }
        member.lastToken = now
    }

    private func noteEnd(of member: Member, at now: Instant) {
        openCount -= 1
        noteEnd(at: now)
        guard var own = progress[member.request] else { return }
        own.openSamples -= 1
        progress[member.request] = own.openSamples > 0 ? own : nil
        if own.openSamples == 0, !plan.requests[member.request].wasAborted {
            outcome.endLatencies.append(now.seconds(since: plan.arrival(of: member.request)))
        }
    }

    private func noteEnd(at now: Instant) {
        lastEnd = max(lastEnd ?? now, now)
    }

    /// Ends a sample whose client has left.
    private func end(_ handle: SequenceHandle, at now: Instant) {
        guard let member = members[handle.index] else { return }
        if !member.hasEnded { noteEnd(of: member, at: now) }
        members[handle.index] = nil
        scheduler.finish(handle)
    }
}
