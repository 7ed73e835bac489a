// The engine's thread: commands in, steps, events out.

import Kernels
import Models
import Primitives
import Sampling
import Scheduling

/// Owns the scheduler, the executor and every request's state; no other thread touches them.
///
/// A turn takes the commands that came, then, if there is work, plans a step, computes it, samples and commits.
final class EngineLoop {
    /// Whose sequence a scheduler's handle stands for.
    struct Owner {
        var run: RequestRun
        var choice: Int
    }

    /// A token drawn in this step; nil if the model's numbers were none.
    struct Draw {
        var owner: Owner
        var token: SampledToken?
    }

    let mailbox: Mailbox
    let limits: SchedulerLimits
    private let tenants: TenantIndex
    let seed: UInt64
    let executor: any Executor
    let logits: LogitsBuffer
    var scheduler: Scheduler
    /// By handle index.
    var owners: [Owner?] = []
    var statistics = StepStatistics()
    /// By the scheduler's number of the tenant.
    var queueClocks: [QueueClock]
    var shareEstimator = StepShareEstimator()
    var pacer: PrefillPacer
    var hasher: PrefixHasher
    /// Requests that came since the last step was planned.
    var newcomers: [RequestRun] = []
    private let observer: (any EngineObserver)?
    private var runs: [UInt64: RequestRun] = [:]
    /// Requests with undelivered events.
    private var newsworthy: [RequestRun] = []
    private var failedStepCount = 0
    /// No request's time is over before that.
    private var nextExpiry: Instant?
    /// When the tokens of the step under way were drawn, and the time spent on publishing since the last report.
    var drawn: Instant?
    private var unreportedSeconds = 0.0

    // Reused between steps.
    var batch = Batch()
    var forward = ForwardBatch()
    var draws: [Draw] = []
    private var commands: [Command] = []

    /// So many steps that could not be computed, in a row, make the engine count as failed.
    private static let toleratedFailures = 3

    init(
        mailbox: Mailbox, limits: SchedulerLimits, tenants: TenantIndex, maxDecodeSlowdown: Double, seed: UInt64,
        executor: any Executor, observer: (any EngineObserver)?
    ) {
        self.mailbox = mailbox
        self.limits = limits
        self.tenants = tenants
        queueClocks = Array(repeating: QueueClock(), count: limits.tenants.count)
        self.seed = seed
        self.executor = executor
        self.observer = observer
        scheduler = Scheduler(limits: limits)
        pacer = PrefillPacer(slowdown: maxDecodeSlowdown)
        hasher = PrefixHasher(blockSize: limits.blockSize)
        // One row more than a step can ask for: samples of one prompt draw from a copy of its row.
        logits = LogitsBuffer(rowCapacity: limits.maxLogitRows + 1, vocabularySize: executor.vocabularySize)
    }

    /// Turns until the mailbox says that it is over; then everybody left is told so.
    func run() {
        var goesOn = true
        while goesOn {
            let isFailing = failedStepCount >= Self.toleratedFailures
            goesOn = mailbox.take(&commands, hasWork: scheduler.hasWork, isFailing: isFailing)
            beginStatistics()
            for command in commands {
                obey(command)
            }
            commands.removeAll(keepingCapacity: true)
            dropExpired(at: statistics.startedAt)
            if !goesOn {
                for run in Array(runs.values) {
                    finishAll(run, reason: .abort)
                }
            }
            if !statistics.finished.isEmpty || !goesOn {
                report()
                beginStatistics()
            }
            if goesOn, scheduler.hasWork {
                step()
                report()
            }
        }
        mailbox.end()
    }

    // MARK: - Commands

    private func obey(_ command: Command) {
        switch command {
        case .submit(let submission):
            accept(submission)
        case .cancel(let ticket):
            if let run = runs[ticket] { finishAll(run, reason: .abort) }
        case .inspect(let answer):
            answer(sequencesInFlight())
        case .finish(let ticket, let choice, let reason):
            guard let run = runs[ticket], run.sequences.indices.contains(choice) else { return }
            // Without a token there is no text to have a stop string, and its siblings may still need its prompt.
            if !run.sequences[choice].output.isEmpty { finish(Owner(run: run, choice: choice), reason: reason) }
        }
    }

    private func accept(_ submission: Submission) {
        let request = submission.request
        let tenant = tenants[request.origin.tenant]
        guard
            let handles = try? scheduler.submit(SequenceRequest(request, tenant: tenant), at: submission.queued)
        else {
            // `InferenceEngine.submit` has checked the same limits, so that this is only for completeness.
            let lost = (0..<request.sampleCount).map { EngineEvent.finished(choice: $0, .error, stopTokenID: nil) }
            let endings = (0..<request.sampleCount).map { ChoiceEnd(choice: $0, moment: submission.queued) }
            return submission.queue.deliver(lost, endings: endings)
        }
        let place = statistics.place(ofTenant: request.origin.tenant)
        statistics.tenants[place].unansweredCount += handles.count
        let run = RequestRun(
            submission, handles: handles, tenant: tenant, tenantPlace: place, maxModelLength: limits.maxModelLength)
        runs[submission.queue.ticket] = run
        noteExpiry(of: run)
        newcomers.append(run)
        for (choice, handle) in handles.enumerated() {
            while owners.count <= handle.index { owners.append(nil) }
            owners[handle.index] = Owner(run: run, choice: choice)
        }
        statistics.arrivedCount += handles.count
    }

    // MARK: - Time limits

    private func noteExpiry(of run: RequestRun) {
        guard let moment = run.nextExpiry else { return }
        nextExpiry = min(nextExpiry ?? moment, moment)
    }

    /// Ends the requests whose time is over, before anything more is computed for them.
    private func dropExpired(at now: Instant) {
        guard let next = nextExpiry, next <= now else { return }
        nextExpiry = nil
        for run in Array(runs.values) {
            if run.expires(at: now) { finishAll(run, reason: .abort) } else { noteExpiry(of: run) }
        }
    }

    // MARK: - Endings

    func finishAll(_ run: RequestRun, reason: FinishReason) {
        // The first sample last: the scheduler ends those that still wait for it along with it.
        for choice in run.sequences.indices.reversed() {
            finish(Owner(run: run, choice: choice), reason: reason)
        }
    }

    /// Ends a choice: its blocks are free from here on. Does nothing the second time.
    func finish(_ owner: Owner, reason: FinishReason, stopTokenID: TokenID? = nil, at now: Instant = .now()) {
        let run = owner.run
        guard !run.sequences[owner.choice].hasEnded else { return }
        let handle = run.sequences[owner.choice].handle
        run.sequences[owner.choice].hasEnded = true
        let isAnswered = run.sequences[owner.choice].firstToken != nil
        statistics.tenants[run.tenantPlace].unansweredCount -= isAnswered ? 0 : 1
        statistics.tenants[run.tenantPlace].answeredCount -= isAnswered ? 1 : 0
        statistics.finished.append(
            run.statistics(
                of: owner.choice, reason: reason, in: scheduler, at: now, queueClocks[run.tenant]))
        run.noteEnd(of: owner.choice, at: now)
        scheduler.finish(handle)
        owners[handle.index] = nil
        tell(run, .finished(choice: owner.choice, reason, stopTokenID: stopTokenID))
        run.openCount -= 1
        if run.openCount == 0 { runs[run.queue.ticket] = nil }
    }

    /// The step could not be computed: what runs has lost its state, what waits has none yet.
    func stepFailed() {
        failedStepCount += 1
        scheduler.abandon(batch)
        for owner in owners.compactMap({ $0 }) {
            let handle = owner.run.sequences[owner.choice].handle
            guard scheduler.isRunning(handle) else { continue }
            for sibling in scheduler.unforkedSiblings(of: handle) {
                if let waiting = owners[sibling.index] { finish(waiting, reason: .error) }
            }
            finish(owner, reason: .error)
        }
    }

    func stepSucceeded() {
        failedStepCount = 0
    }

    // MARK: - Reports

    private func sequencesInFlight() -> [SequenceStatistics] {
        let now = Instant.now()
        return runs.sorted { $0.key < $1.key }.flatMap { _, run in
            run.sequences.indices.filter { !run.sequences[$0].hasEnded }.map { choice in
                run.statistics(of: choice, reason: nil, in: scheduler, at: now, queueClocks[run.tenant])
            }
        }
    }

    func tell(_ run: RequestRun, _ event: EngineEvent) {
        if !run.hasNews { newsworthy.append(run) }
        run.append(event)
    }

    private func beginStatistics() {
        statistics.begin(at: .now())
    }

    /// First the observer, then the clients: whoever has an answer finds it in the metrics.
    private func report() {
        statistics.endedAt = .now()
        let published = statistics.endedAt.seconds(since: drawn ?? statistics.startedAt)
        statistics.publishSeconds = published + unreportedSeconds
        drawn = nil
        statistics.runningCount = scheduler.runningCount
        statistics.waitingCount = scheduler.waitingCount
        statistics.blockCount = limits.blockCount
        statistics.usedBlockCount = scheduler.usedBlockCount
        statistics.waitingCause = statistics.waitingCount > 0 ? batch.waitingCause.map { LatencyPart($0) } : nil
        statistics.cachedTokenCount = scheduler.cachedTokenCount
        observer?.stepEnded(statistics)
        for run in newsworthy {
            run.deliver()
        }
        newsworthy.removeAll(keepingCapacity: true)
        unreportedSeconds = Instant.now().seconds(since: statistics.endedAt)
    }
}
