// What replaying a server needs: its last requests, and what its steps took.

public import Engine
public import Primitives
import Synchronization
public import Workload

/// Keeps the last ended requests and some steps of every size, for `pagoda doctor --what-if`. Always on: of a step it
/// writes down a few numbers, in memory that is there from the start.
///
/// Of a prompt it knows how long it was and which other prompts begin alike, nothing of what it said.
public final class WorkloadRecorder: EngineObserver {
    /// How much is kept.
    public struct Configuration: Sendable {
        public var requestCount = 8192
        /// Names of blocks, of all requests together.
        public var blockNameCount = 512 << 10
        /// Steps of each size.
        public var stepCount = 256
        public var tokenLatencyCount = 32_768

        public init() {}
    }

    private let configuration: Configuration
    private let state: Mutex<State>

    /// - Parameter started: Nothing is known of requests that came before.
    public init(_ configuration: Configuration = Configuration(), started: Instant = .now()) {
        self.configuration = configuration
        state = Mutex(State(configuration, started: started))
    }

    /// What the engine runs by, once that is known.
    public func note(_ settings: WorkloadSettings) {
        state.withLock { $0.settings = settings }
    }

    // MARK: - The engine's thread

    public func stepEnded(_ step: borrowing StepStatistics) {
        let step = copy step
        state.withLock { state in
            state.unfinishedCount = step.runningCount + step.waitingCount
            if step.sequenceCount > 0 { state.note(step, capacity: configuration.stepCount) }
            for seconds in step.interTokenLatencies {
                state.tokenLatencies.append(TokenLatency(moment: step.endedAt, seconds: seconds))
            }
            for sequence in step.finished { state.note(sequence, configuration) }
        }
    }

    // MARK: - Reading

    /// The requests that came in the last `seconds` and have ended, as far back as they are all known, and steps of all
    /// times, in their order. Nil as long as there are no settings.
    public func workload(lastSeconds seconds: Double, now: Instant = .now()) -> Workload? {
        // A copy that shares its memory; the lock is not held while a document is made of it.
        let state = state.withLock { $0 }
        guard let settings = state.settings else { return nil }
        let start = max(now.advanced(by: .seconds(-seconds)), state.completeFrom)
        var workload = Workload(duration: now.seconds(since: start).rounded(toParts: 1e6), settings: settings)
        let tenants = Dictionary(
            settings.tenants.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        let ended = state.requests.oldestFirst.filter { (start...max(start, now)).contains($0.arrival) }
        workload.requests = ended.sorted { $0.arrival < $1.arrival }.map { request in
            request.workloadRequest(since: start, tenant: tenants[request.tenant] ?? 0)
        }
        // Rounding must not put the last one beyond the end.
        workload.duration = max(workload.duration, workload.requests.last?.arrival ?? 0)
        workload.preemptionCount = ended.reduce(0) { $0 + $1.preemptionCount }
        workload.unfinishedCount = state.unfinishedCount
        let steps = state.steps.flatMap { $0?.oldestFirst ?? [] }.sorted { $0.ended < $1.ended }
        workload.steps = steps.map { step in
            var sample = step.sample
            sample.seconds = sample.seconds.rounded(toParts: 1e7)
            return sample
        }
        workload.interTokenLatencies = state.tokenLatencies.oldestFirst.filter { $0.moment >= start }
            .map { $0.seconds.rounded(toParts: 1e6) }
        return workload
    }
}

private struct TokenLatency: Sendable {
    var moment: Instant
    var seconds: Double
}

private struct TimedStep: Sendable {
    var ended: Instant
    var sample: StepSample
}

/// A request of which all samples have ended.
private struct EndedRequest: Sendable {
    var tenant: String
    var priority: Int
    var arrival: Instant
    var promptTokenCount: Int
    var generatedTokenCounts: [Int] = []
    var blockNames: [UInt64]
    var firstToken: Instant?
    var finished: Instant
    var preemptionCount = 0
    var wasAborted = false

    init(_ sequence: SequenceStatistics) {
        tenant = sequence.origin.tenant
        priority = sequence.priority
        arrival = sequence.arrival
        promptTokenCount = sequence.promptTokenCount
        blockNames = sequence.blockNames
        finished = sequence.finished
    }

    mutating func add(_ sequence: SequenceStatistics) {
        generatedTokenCounts.append(sequence.generatedTokenCount)
        preemptionCount += sequence.preemptionCount
        finished = max(finished, sequence.finished)
        if let token = sequence.firstToken { firstToken = min(firstToken ?? token, token) }
        switch sequence.reason {
        case .stop, .length: break
        case .abort, .error, nil: wasAborted = true
        }
    }

    func workloadRequest(since start: Instant, tenant: Int) -> WorkloadRequest {
        var request = WorkloadRequest(
            arrival: arrival.seconds(since: start).rounded(toParts: 1e6), promptTokenCount: promptTokenCount,
            generatedTokenCounts: generatedTokenCounts)
        request.priority = priority
        request.tenant = tenant
        request.prefixBlocks = blockNames
        request.firstTokenLatency = firstToken.map { $0.seconds(since: arrival).rounded(toParts: 1e6) }
        request.endLatency = finished.seconds(since: arrival).rounded(toParts: 1e6)
        request.wasAborted = wasAborted
        return request
    }
}

private struct State: Sendable {
    var settings: WorkloadSettings?
    var requests: RecentList<EndedRequest>
    var blockNameCount = 0
    /// Requests of which some samples have ended.
    var open: [RequestID: EndedRequest] = [:]
    /// By size, see `sizeIndex`; nil as long as there was none.
    var steps: [RecentList<TimedStep>?] = Array(repeating: nil, count: 2 * Self.sizeCount)
    var tokenLatencies: RecentList<TokenLatency>
    /// All requests that have arrived since then and have ended are here.
    var completeFrom: Instant
    var unfinishedCount = 0

    /// Steps of up to 2^24 rows, by powers of two.
    private static let sizeCount = 24

    init(_ configuration: WorkloadRecorder.Configuration, started: Instant) {
        requests = RecentList(capacity: configuration.requestCount)
        tokenLatencies = RecentList(capacity: configuration.tokenLatencyCount)
        completeFrom = started
    }

    // MARK: - Steps

    mutating func note(_ step: StepStatistics, capacity: Int) {
        let sample = StepSample(
            sequenceCount: step.sequenceCount, prefillRowCount: step.prefillTokenCount,
            decodeRowCount: step.decodeTokenCount, logitRowCount: step.logitRowCount,
            attendedTokenCount: step.attendedTokenCount, contextTokenCount: step.contextTokenCount,
            seconds: step.scheduleSeconds + step.forwardSeconds + step.sampleSeconds + step.publishSeconds)
        let index = Self.sizeIndex(of: sample)
        if steps[index] == nil { steps[index] = RecentList(capacity: capacity) }
        steps[index]?.append(TimedStep(ended: step.endedAt, sample: sample))
    }

    /// Steps of a kind that is rare stay, however many others there are: a server that mostly decodes a few sequences
    /// still knows what its last long prompts took.
    private static func sizeIndex(of sample: StepSample) -> Int {
        let rows = max(1, sample.prefillRowCount + sample.decodeRowCount)
        let power = min(sizeCount, Int.bitWidth - rows.leadingZeroBitCount) - 1
        return 2 * power + (sample.prefillRowCount > 0 ? 1 : 0)
    }

    // MARK: - Requests

    mutating func note(_ sequence: SequenceStatistics, _ configuration: WorkloadRecorder.Configuration) {
        var request = open.removeValue(forKey: sequence.request) ?? EndedRequest(sequence)
        request.add(sequence)
        guard request.generatedTokenCounts.count >= sequence.sampleCount else {
            open[sequence.request] = request
            return
        }
        // One that alone is more than everybody may have is kept as if it shared with nobody.
        if request.blockNames.count > configuration.blockNameCount { request.blockNames = [] }
        blockNameCount += request.blockNames.count
        if let dropped = requests.append(request) { forget(dropped) }
        while blockNameCount > configuration.blockNameCount, let dropped = requests.removeOldest() { forget(dropped) }
    }

    private mutating func forget(_ request: EndedRequest) {
        blockNameCount -= request.blockNames.count
        completeFrom = max(completeFrom, Instant(nanoseconds: request.arrival.nanoseconds + 1))
    }
}

extension Double {
    /// To so many parts of one, so that it is short when written.
    fileprivate func rounded(toParts parts: Double) -> Double { (self * parts).rounded() / parts }
}
