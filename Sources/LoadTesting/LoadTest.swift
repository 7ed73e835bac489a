// A load test from its first probe to its last answer.

internal import Primitives

/// Sends requests when they are due, never more at once than allowed, and gathers what became of them.
public struct LoadTest: Sendable {
    private let client: LoadClient
    private let body: RequestBody
    private let requests: [LoadRequest]
    private let arrivals: ArrivalProcess
    private let maximumConcurrency: Int?
    private let seed: UInt64

    /// - Parameters:
    ///   - requests: In the order in which they are sent; not empty.
    ///   - maximumConcurrency: Requests under way at once; nil: no bound.
    public init(
        client: LoadClient, body: RequestBody, requests: [LoadRequest], arrivals: ArrivalProcess,
        maximumConcurrency: Int?, seed: UInt64
    ) throws(LoadTestError) {
        guard !requests.isEmpty else {
            throw .invalidOption(name: "num-prompts", value: "0", allowed: "1 or more")
        }
        if let maximumConcurrency, maximumConcurrency < 1 {
            throw .invalidOption(name: "max-concurrency", value: "\(maximumConcurrency)", allowed: "1 or more")
        }
        self.client = client
        self.body = body
        self.requests = requests
        self.arrivals = arrivals
        self.maximumConcurrency = maximumConcurrency
        self.seed = seed
    }

    /// Tries the first request until it succeeds.
    ///
    /// - Parameter onRetry: Told why a try failed.
    public func waitUntilReady(
        within limit: Duration, retryingEvery interval: Duration = .seconds(5), onRetry: (String) -> Void
    ) async throws(LoadTestError) {
        let deadline = Instant.now().advanced(by: limit)
        var reason = "no answer within \(limit)"
        while true {
            let left = Duration.nanoseconds(deadline.nanoseconds - Instant.now().nanoseconds)
            guard left > .zero, !Task.isCancelled else { throw .notReady(reason: reason) }
            let record = await client.send(requests[0], body: body, timeLimit: left)
            guard let error = record.error else { return }
            reason = error
            onRetry(error)
            await sleep(until: min(deadline, Instant.now().advanced(by: interval)))
        }
    }

    /// Sends the first request `count` times; what becomes of it does not count.
    public func warmUp(count: Int, onFinish: @escaping @Sendable (RequestRecord) -> Void) async {
        _ = await send(
            Array(repeating: requests[0], count: max(0, count)), offsets: nil, start: .now(), onFinish: onFinish)
    }

    /// The test itself.
    ///
    /// - Parameter onFinish: Called from any thread as each request ends, in whatever order they end.
    public func run(onFinish: @escaping @Sendable (RequestRecord) -> Void) async -> LoadTestRun {
        let offsets = arrivals.offsets(count: requests.count, seed: seed)
        let speculationBefore = await client.speculation()
        let wallStart = WallTime.now()
        let start = Instant.now()
        let records = await send(requests, offsets: offsets, start: start, onFinish: onFinish)
        let duration = Instant.now().seconds(since: start)
        var run = LoadTestRun(records: records, durationSeconds: duration)
        run.rateChanges = rateChanges(offsets, from: wallStart)
        if let speculationBefore, let speculationAfter = await client.speculation() {
            run.speculation = SpeculationStatistics(from: speculationBefore, to: speculationAfter)
        }
        return run
    }

    /// Requests are started in order, so that waiting for the next place here is a fair queue.
    private func send(
        _ requests: [LoadRequest], offsets: [Double]?, start: Instant,
        onFinish: @escaping @Sendable (RequestRecord) -> Void
    ) async -> [RequestRecord] {
        await withTaskGroup(of: (Int, RequestRecord).self) { group in
            var records: [(index: Int, record: RequestRecord)] = []
            var activeCount = 0
            for (index, request) in requests.enumerated() {
                let due = start.advanced(by: .seconds(offsets?[index] ?? 0))
                await sleep(until: due)
                if let maximumConcurrency, activeCount >= maximumConcurrency, let finished = await group.next() {
                    records.append(finished)
                    activeCount -= 1
                }
                activeCount += 1
                let queueTime = maximumConcurrency == nil ? 0 : Instant.now().seconds(since: due)
                group.addTask {
                    var record = await client.send(request, body: body)
                    record.queueTime = queueTime
                    onFinish(record)
                    return (index, record)
                }
            }
            for await finished in group { records.append(finished) }
            return records.sorted { $0.index < $1.index }.map(\.record)
        }
    }

    private func sleep(until time: Instant) async {
        let left = time.nanoseconds - Instant.now().nanoseconds
        if left > 0 { try? await Task.sleep(for: .nanoseconds(left)) }
    }

    /// When a ramp passed each whole rate, as vLLM reports it.
    private func rateChanges(_ offsets: [Double], from wallStart: WallTime) -> [RateChange] {
        guard let rampUp = arrivals.rampUp else { return [] }
        var changes = [RateChange(requestsPerSecond: rampUp.startRate, time: wallStart)]
        var last = rampUp.startRate
        for (index, offset) in offsets.enumerated() {
            let rate = Int(arrivals.rate(at: index, of: offsets.count))
            while last < rate {
                last += 1
                changes.append(RateChange(requestsPerSecond: last, time: wallStart.advanced(bySeconds: offset)))
            }
        }
        return changes
    }
}

/// What a load test has brought.
public struct LoadTestRun: Sendable {
    /// In the order of the requests.
    public let records: [RequestRecord]
    /// From the first request's start of waiting to the last answer's end.
    public let durationSeconds: Double
    public internal(set) var rateChanges: [RateChange] = []
    /// Of servers that speculate and tell.
    public internal(set) var speculation: SpeculationStatistics?

    public init(records: [RequestRecord], durationSeconds: Double) {
        self.records = records
        self.durationSeconds = durationSeconds
    }
}

/// From `time` on, requests came at this rate.
public struct RateChange: Sendable, Equatable {
    public let requestsPerSecond: Int
    public let time: WallTime
}
