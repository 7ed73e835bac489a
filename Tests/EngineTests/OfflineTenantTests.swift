// A batch job beside a chat, in simulated time.

import Engine
import Primitives
import Scheduling
import Testing

/// The real scheduler and the real pacer on a machine whose steps take 8 ms and half a millisecond more for each row,
/// about what SmolLM2-135M takes on two cores.
private struct SimulatedServer: ~Copyable {
    static let stepSeconds = 0.008
    static let rowSeconds = 0.0005

    struct Arrival {
        var seconds: Double
        var request: SequenceRequest
        var isOnline: Bool
    }

    struct Outcome {
        /// Times to first token of the online requests.
        var onlineFirstTokens: [Double] = []
        /// Of the steps without an online prompt.
        var longestStep = 0.0
        /// Within the time that is looked at.
        var promptTokenCount = 0
        var outputTokenCount = 0
        var displacedCount = 0

        var onlineP99: Double {
            let sorted = onlineFirstTokens.sorted()
            return sorted.isEmpty ? .infinity : sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
        }

        /// Tokens weighted by what they cost alone: prompts of 512, and eight streams.
        var work: Double {
            Double(promptTokenCount) * (rowSeconds + stepSeconds / 512)
                + Double(outputTokenCount) * (rowSeconds + stepSeconds / 8)
        }
    }

    struct UnknownSequence: Error {}

    private struct Life {
        var arrival: Arrival
        var outputCount = 0
    }

    private var scheduler: Scheduler
    private var pacer = PrefillPacer(slowdown: 2.5)
    private var batch = Batch()
    private var lives: [SequenceHandle: Life] = [:]
    private var now = 0.0

    init(_ limits: SchedulerLimits) {
        scheduler = Scheduler(limits: limits)
    }

    /// Takes in `arrivals`, which are in order, and serves them to their end; work is counted up to `horizon` seconds.
    mutating func run(_ arrivals: [Arrival], horizon: Double) throws -> Outcome {
        var outcome = Outcome()
        var next = 0
        while next < arrivals.count || scheduler.hasWork {
            if !scheduler.hasWork { now = max(now, arrivals[next].seconds) }
            while next < arrivals.count, arrivals[next].seconds <= now {
                let arrival = arrivals[next]
                next += 1
                let moment = Instant(nanoseconds: Int64(arrival.seconds * 1e9))
                for handle in try scheduler.submit(arrival.request, at: moment) {
                    lives[handle] = Life(arrival: arrival)
                }
            }
            try step(horizon, &outcome)
        }
        return outcome
    }

    private mutating func step(_ horizon: Double, _ outcome: inout Outcome) throws {
        let allowance = pacer.allowance(
            besideDecodes: scheduler.decodingCount, urgent: scheduler.urgentDecodingCount)
        scheduler.schedule(at: Instant(nanoseconds: Int64(now * 1e9)), allowing: allowance, into: &batch)
        // Arrivals are being gathered, on an engine that has nothing else.
        guard !batch.entries.isEmpty else { return now += 0.001 }
        let seconds = Self.stepSeconds + Self.rowSeconds * Double(batch.rowCount)
        now += seconds
        outcome.displacedCount += batch.preempted.count
        var prefillRows = 0, hasOnlinePrompt = false
        for entry in batch.entries {
            guard let life = lives[entry.sequence] else { throw UnknownSequence() }
            let promptRows = max(0, min(entry.end, life.arrival.request.promptCount) - entry.start)
            prefillRows += promptRows
            hasOnlinePrompt = hasOnlinePrompt || (promptRows > 0 && life.arrival.isOnline)
        }
        pacer.note(prefillRows: prefillRows, decodeRows: batch.rowCount - prefillRows, seconds: seconds)
        if !hasOnlinePrompt { outcome.longestStep = max(outcome.longestStep, seconds) }
        if now <= horizon { outcome.promptTokenCount += prefillRows }
        scheduler.commit(batch)
        for entry in batch.entries where entry.samples { draw(entry.sequence, horizon, &outcome) }
    }

    private mutating func draw(_ sequence: SequenceHandle, _ horizon: Double, _ outcome: inout Outcome) {
        guard var life = lives[sequence] else { return }
        life.outputCount += 1
        if now <= horizon { outcome.outputTokenCount += 1 }
        if life.outputCount == 1, life.arrival.isOnline {
            outcome.onlineFirstTokens.append(now - life.arrival.seconds)
        }
        guard life.outputCount < life.arrival.request.maximumTokens else {
            lives[sequence] = nil
            return scheduler.finish(sequence)
        }
        lives[sequence] = life
        scheduler.extend(sequence)
    }
}

@Suite("A batch job beside a chat")
struct OfflineTenantTests {
    private static let horizon = 300.0

    /// - Parameter tenants: Whether the limits tell the two apart: the chat is tenant 1, the batch job 2.
    private static func limits(tenants: Bool) -> SchedulerLimits {
        var limits = SchedulerLimits(maxModelLength: 2_048, blockSize: 16, blockCount: 16_384)
        guard tenants else { return limits }
        var batch = TenantLimits()
        batch.maxRunningSequences = 8
        limits.tenants = [TenantLimits(), TenantLimits(), batch]
        limits.policy = .priority
        limits.urgentPriority = 0
        return limits
    }

    /// 500 requests of 512 tokens in and 256 out, all at once.
    private static func batch(tenants: Bool) -> [SimulatedServer.Arrival] {
        var request = SequenceRequest(promptCount: 512, maximumTokens: 256)
        request.tenant = tenants ? 2 : 0
        request.priority = tenants ? 1_000 : 0
        return (0..<500).map { _ in SimulatedServer.Arrival(seconds: 0, request: request, isOnline: false) }
    }

    /// One of 128 in and 32 out every second.
    private static func online(tenants: Bool) -> [SimulatedServer.Arrival] {
        var request = SequenceRequest(promptCount: 128, maximumTokens: 32)
        request.tenant = tenants ? 1 : 0
        return (1...300).map { SimulatedServer.Arrival(seconds: Double($0), request: request, isOnline: true) }
    }

    private static func run(_ arrivals: [SimulatedServer.Arrival], tenants: Bool) throws -> SimulatedServer.Outcome {
        var server = SimulatedServer(limits(tenants: tenants))
        return try server.run(arrivals, horizon: horizon)
    }

    @Test("with its limits the batch job costs the chat half its time to first token and a step at most, and no work")
    func withTenants() throws {
        let idle = try Self.run(Self.online(tenants: true), tenants: true)
        let alone = try Self.run(Self.batch(tenants: true), tenants: true)
        let both = try Self.run(Self.batch(tenants: true) + Self.online(tenants: true), tenants: true)
        #expect(both.onlineFirstTokens.count == 300 && both.displacedCount == 0)
        #expect(both.longestStep <= 0.06, "\(both.longestStep)")
        #expect(
            both.onlineP99 <= 1.5 * idle.onlineP99 + both.longestStep,
            "\(both.onlineP99), alone \(idle.onlineP99), a step \(both.longestStep)")
        // The batch job is not over before the chat.
        #expect(alone.outputTokenCount < 500 * 256)
        #expect(both.work >= 0.9 * alone.work, "\(both.work) of \(alone.work)")
    }

    @Test("without limits the chat waits behind the batch job")
    func withoutTenants() throws {
        let idle = try Self.run(Self.online(tenants: false), tenants: false)
        let both = try Self.run(Self.batch(tenants: false) + Self.online(tenants: false), tenants: false)
        #expect(both.onlineP99 > 100 * idle.onlineP99, "\(both.onlineP99), alone \(idle.onlineP99)")
    }
}
