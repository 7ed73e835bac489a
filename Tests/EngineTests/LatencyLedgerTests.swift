// Every nanosecond of a request has one owner.

import Engine
import EngineTesting
import Models
import Primitives
import Sampling
import Testing

@Suite("Latency ledger", .timeLimit(.minutes(5)))
struct LatencyLedgerTests {
    @Test("the parts of 10,000 requests sum to their latencies and times to first token, to the nanosecond")
    func partsSumToTheWhole() async throws {
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 12
            configuration.maxBatchedTokens = 32
            configuration.maxPrefillChunk = 20
            configuration.schedulerDelay = .microseconds(200)
            // Fewer blocks than the running sequences may grow to, so that some are preempted.
            model.capacity = CacheCapacity(blockCount: 60, blockSize: 4)
            model.maximumLogitRows = 24
            // Some steps take long, so that waiting shows.
            model.beforeStep = { step in
                if step % 64 == 0 { spin(nanoseconds: 200_000) }
            }
        }
        try await withThrowingTaskGroup { group in
            for client in 0..<100 {
                group.addTask {
                    var random = SplitMix64(state: UInt64(client))
                    for number in 0..<100 {
                        let request = randomRequest(UInt64(client * 100 + number), using: &random)
                        try await run(request, on: harness, &random)
                    }
                }
            }
            try await group.waitForAll()
        }
        await harness.engine.shutdown(draining: .seconds(10))
        let finished = harness.observer.finished
        #expect(Set(finished.map(\.request)).count == 10_000)
        var sum = LatencyParts()
        for sequence in finished {
            #expect(sequence.parts.total == nanoseconds(from: sequence.arrival, to: sequence.finished))
            for part in LatencyPart.allCases { #expect(sequence.parts[part] >= 0) }
            let queue = queueParts.reduce(0) { $0 + sequence.parts[$1] }
            if let scheduled = sequence.scheduled {
                #expect(queue == nanoseconds(from: sequence.queued, to: scheduled))
            }
            // A sample has what befell its prompt, too.
            let wasPreempted = sequence.preemptionCount > 0
            #expect(sequence.parts[.preemption] > 0 || !wasPreempted)
            #expect(sequence.parts[.preemption] == 0 || wasPreempted || sequence.choice > 0)
            if let first = sequence.firstToken {
                let parts = try #require(sequence.firstTokenParts)
                #expect(parts.total == nanoseconds(from: sequence.arrival, to: first))
                #expect(parts[.decode] == 0)
            }
            sum += sequence.parts
        }
        for part in LatencyPart.allCases where part != .client && part != .queueTenant {
            #expect(sum[part] > 0, "\(part.name) was never seen")
        }
        let steps = harness.observer.steps
        let firstTokenSum = steps.reduce(into: LatencyParts()) { $0 += $1.firstTokenParts }
        let firstTokens = finished.compactMap(\.firstTokenParts).reduce(into: LatencyParts()) { $0 += $1 }
        #expect(firstTokenSum == firstTokens)
    }

    /// Reads a request to its end, or leaves it in the middle.
    private func run(
        _ request: EngineRequest, on harness: Harness, _ random: inout SplitMix64
    ) async throws {
        guard Int.random(in: 0..<10, using: &random) == 0 else {
            _ = try await harness.run(request)
            return
        }
        let handle = try harness.engine.submit(request)
        var iterator = handle.events.makeAsyncIterator()
        if Bool.random(using: &random) { _ = await iterator.next() }
        handle.cancel()
        while await iterator.next() != nil {}
    }

    @Test("a sequence that waits for a place is charged to slots, one that waits for blocks to blocks")
    func causes() async throws {
        for (cause, slots, blocks) in [(LatencyPart.queueSlots, 1, 64), (.queueBlocks, 8, 8)] {
            let gate = Gate()
            let harness = try Harness { configuration, model in
                configuration.maxRunningSequences = slots
                model.capacity = CacheCapacity(blockCount: blocks, blockSize: 4)
                model.beforeStep = { _ in gate.pass() }
            }
            // The first takes six blocks of eight for as long as it runs.
            let first = try harness.engine.submit(request(1, length: 20, maximumTokens: 4))
            await gate.waitForArrival()
            let second = try harness.engine.submit(request(2, length: 20, maximumTokens: 1))
            gate.letOneThrough()
            await gate.waitForArrival()
            #expect(harness.observer.steps.last?.waitingCause == nil)
            gate.open()
            _ = try await CheckedStream(first.events).collect()
            _ = try await CheckedStream(second.events).collect()
            await harness.engine.shutdown(draining: .zero)
            let waited = try #require(harness.observer.finished.last)
            #expect(waited.request == RequestID(2))
            #expect(waited.parts[cause] == nanoseconds(from: waited.queued, to: try #require(waited.scheduled)))
            #expect(harness.observer.steps.contains { $0.waitingCause == cause && $0.waitingCount == 1 })
        }
    }

    @Test("a decoding sequence is charged for others' prompts only in steps that compute some")
    func othersPrefill() async throws {
        let alone = try Harness()
        _ = try await alone.run(request(1, length: 10, maximumTokens: 20))
        await alone.engine.shutdown(draining: .zero)
        let quiet = try #require(alone.observer.finished.first)
        #expect(quiet.parts[.othersPrefill] == 0)
        #expect(quiet.parts[.ownPrefill] > 0 && quiet.parts[.decode] > 0)
        #expect(quiet.prefillChunks.map(\.tokenCount) == [10])

        let gate = Gate()
        let harness = try Harness { configuration, model in
            configuration.maxPrefillChunk = 8
            model.beforeStep = { _ in gate.pass() }
        }
        let first = try harness.engine.submit(request(1, length: 5, maximumTokens: 8))
        await gate.waitForArrival()
        let second = try harness.engine.submit(request(2, length: 30, maximumTokens: 1))
        gate.open()
        _ = try await CheckedStream(first.events).collect()
        _ = try await CheckedStream(second.events).collect()
        await harness.engine.shutdown(draining: .zero)
        let finished = harness.observer.finished
        let decoding = try #require(finished.first { $0.request == RequestID(1) })
        let prompt = try #require(finished.first { $0.request == RequestID(2) })
        #expect(decoding.parts[.othersPrefill] > 0)
        #expect(prompt.parts[.othersPrefill] == 0)
        #expect(prompt.prefillChunks.map(\.tokenCount) == [8, 8, 8, 6])
        #expect(prompt.prefillChunks.allSatisfy { $0.started < $0.ended })
    }

    @Test("what the engine tells of a request carries its origin and its parameters")
    func origin() async throws {
        let harness = try Harness()
        var traced = request(1, maximumTokens: 2)
        traced.origin.externalID = "abc"
        traced.origin.trace = TraceID(high: 1, low: 2)
        traced.origin.tenant = "ours"
        traced.parameters.topP = 0.5
        _ = try await harness.run(traced)
        await harness.engine.shutdown(draining: .zero)
        let finished = try #require(harness.observer.finished.first)
        #expect(finished.origin == traced.origin)
        #expect(finished.temperature == 0 && finished.topP == 0.5)
        #expect(harness.observer.steps.flatMap(\.firstTokens).map(\.trace) == [traced.origin.trace])
    }

    @Test("sequences in flight are told with their lives so far, and a stopped engine has none")
    func inFlight() async throws {
        let gate = Gate()
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 1
            model.beforeStep = { _ in gate.pass() }
        }
        let first = try harness.engine.submit(request(1, maximumTokens: 120))
        await gate.waitForArrival()
        let second = try harness.engine.submit(request(2))
        let inFlight = await withTaskGroup(of: [SequenceStatistics].self) { group in
            group.addTask { await harness.engine.sequencesInFlight() }
            group.addTask {
                // The engine comes by its mailbox between two steps.
                while !Task.isCancelled {
                    gate.letOneThrough()
                    try? await Task.sleep(for: .milliseconds(5))
                }
                return []
            }
            defer { group.cancelAll() }
            return await group.next() ?? []
        }
        #expect(inFlight.map(\.request) == [RequestID(1), RequestID(2)])
        #expect(inFlight.map(\.phase) == [.decode, .queued])
        #expect(inFlight.map { $0.generatedTokenCount > 0 } == [true, false])
        for sequence in inFlight {
            #expect(sequence.reason == nil)
            #expect(sequence.parts.total == nanoseconds(from: sequence.arrival, to: sequence.finished))
        }
        gate.open()
        _ = try await CheckedStream(first.events).collect()
        _ = try await CheckedStream(second.events).collect()
        await harness.engine.shutdown(draining: .zero)
        #expect(await harness.engine.sequencesInFlight().isEmpty)
    }

    @Test("phases of steps and sleep are all of the engine's time, and a handle knows when its choices ended")
    func engineTime() async throws {
        let begun = Instant.now()
        let harness = try Harness()
        for id in 0..<20 {
            let handle = try harness.engine.submit(request(UInt64(id)))
            _ = try await CheckedStream(handle.events).collect()
            #expect(handle.endings == [harness.observer.finished.last?.finished])
        }
        await harness.engine.shutdown(draining: .zero)
        let elapsed = Instant.now().seconds(since: begun)
        let working = harness.observer.steps.reduce(0.0) {
            $0 + $1.scheduleSeconds + $1.forwardSeconds + $1.sampleSeconds + $1.publishSeconds
        }
        #expect(working > 0)
        #expect(working + harness.engine.status.idleSeconds <= elapsed)
    }
}

private let queueParts: [LatencyPart] = [.queueSlots, .queueBlocks, .queueTokenBudget, .queueTenant]

private func nanoseconds(from start: Instant, to end: Instant) -> Int64 {
    end.nanoseconds - start.nanoseconds
}

/// Keeps the thread busy.
private func spin(nanoseconds: Int64) {
    let end = Instant.now().nanoseconds + nanoseconds
    while Instant.now().nanoseconds < end {}
}
