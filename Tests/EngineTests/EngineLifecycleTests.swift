// Cancelling, failing, stopping, idling.

import Engine
import EngineTesting
import Models
import Primitives
import Sampling
import Synchronization
import Testing

@Suite("Engine life cycle", .timeLimit(.minutes(1)))
struct EngineLifecycleTests {
    @Test("requests cancelled at random end once, with a beginning of their tokens, and leave nothing behind")
    func randomCancellations() async throws {
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 6
            configuration.maxBatchedTokens = 16
            model.capacity = CacheCapacity(blockCount: 20, blockSize: 4)
        }
        var random = SplitMix64(state: 2)
        let requests = (0..<64).map { randomRequest(UInt64($0), using: &random) }
        let limits = requests.map { _ in Int.random(in: 0...20, using: &random) }
        let outcomes = try await withThrowingTaskGroup(of: (Int, CheckedStream.Outcome).self) { group in
            for (index, request) in requests.enumerated() {
                group.addTask {
                    let handle = try harness.engine.submit(request)
                    if limits[index] == 0 { handle.cancel() }
                    var count = 0
                    let stream = CheckedStream(handle.events, choiceCount: request.sampleCount)
                    let outcome = try await stream.collect { events in
                        count += events.count
                        if count >= limits[index] { handle.cancel() }
                    }
                    return (index, outcome)
                }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (index, request) in requests.enumerated() {
            let expected = try await Harness.alone(request)
            for (choice, result) in try #require(outcomes[index]).choices.enumerated() {
                #expect(expected.choices[choice].tokenIDs.starts(with: result.tokenIDs), "request \(index)")
                #expect(result.reason == .abort || result == expected.choices[choice], "request \(index)")
            }
        }
        await harness.engine.shutdown(draining: .zero)
        #expect(harness.observer.steps.last?.usedBlockCount == 0)
        #expect(harness.observer.finished.count == requests.map(\.sampleCount).reduce(0, +))
        #expect(harness.observer.finished.contains { $0.reason == .abort })
    }

    @Test("a cancelled request's blocks are free before the next step, running or queued")
    func cancellationFreesBlocks() async throws {
        let gate = Gate()
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 1
            model.beforeStep = { _ in gate.pass() }
        }
        let running = try harness.engine.submit(request(1, length: 20, maximumTokens: 50))
        await gate.waitForArrival()
        let queued = try harness.engine.submit(request(2))
        running.cancel()
        queued.cancel()
        gate.open()
        let first = try await CheckedStream(running.events).collect()
        let second = try await CheckedStream(queued.events).collect()
        #expect(first.choices[0].tokens.count == 1)
        #expect(first.choices[0].reason == .abort)
        #expect(second.choices[0].tokens.isEmpty && second.choices[0].reason == .abort)
        #expect(harness.record.stepCount == 1)
        #expect(harness.observer.steps.last?.usedBlockCount == 0)
    }

    @Test(
        "a request whose time is over is dropped before anything is computed for it",
        arguments: RequestExpiry.allCases)
    func expired(expiry: RequestExpiry) async throws {
        let harness = try Harness()
        var late = request(1)
        let now = Instant.now()
        switch expiry {
        case .queueTime: late.startBy = now
        case .deadline: late.deadline = now
        }
        let handle = try harness.engine.submit(late)
        let outcome = try await CheckedStream(handle.events).collect()
        #expect(outcome.choices[0].reason == .abort && handle.expiry == expiry)
        #expect(harness.record.stepCount == 0)
        #expect(harness.observer.finished.map(\.expiry) == [expiry])
    }

    @Test("a time to begin by says nothing once it has begun, and a deadline does")
    func expiryWhileRunning() async throws {
        let gate = Gate()
        let harness = try Harness { _, model in model.beforeStep = { _ in gate.pass() } }
        var first = request(1, maximumTokens: 4), second = request(2, maximumTokens: 100)
        first.startBy = Instant.now().advanced(by: .seconds(3_600))
        second.deadline = Instant.now().advanced(by: .milliseconds(50))
        let handles = try [first, second].map { try harness.engine.submit($0) }
        await gate.waitForArrival()
        try await Task.sleep(for: .milliseconds(60))
        gate.open()
        let outcomes = try await [
            CheckedStream(handles[0].events).collect(), CheckedStream(handles[1].events).collect(),
        ]
        #expect(outcomes[0].choices[0].reason == .length && handles[0].expiry == nil)
        #expect(outcomes[1].choices[0].reason == .abort && handles[1].expiry == .deadline)
    }

    @Test("tenants are known by their names, and whoever is not named is one of them")
    func tenants() async throws {
        var batch = EngineTenant(name: "batch")
        batch.maxRunningSequences = 1
        let harness = try Harness { configuration, _ in configuration.tenants = [batch] }
        for (tenant, isRefused) in [("batch", true), ("default", false), ("nobody", false)] {
            var request = request(1)
            request.sampleCount = 2
            request.origin.tenant = tenant
            do {
                _ = try await harness.run(request)
                #expect(!isRefused)
            } catch let error as EngineError {
                #expect(isRefused && error == .tooManySamples(count: 2, limit: 1))
            }
        }
        batch.weight = 0
        #expect(throws: EngineError.self) { try Harness { configuration, _ in configuration.tenants = [batch] } }
    }

    @Test("dropping the handle cancels")
    func droppedHandle() async throws {
        let gate = Gate()
        let harness = try Harness { _, model in model.beforeStep = { _ in gate.pass() } }
        _ = try harness.engine.submit(request(1, maximumTokens: 100))
        gate.open()
        await harness.wait { steps in steps.contains { !$0.finished.isEmpty } }
        #expect(harness.observer.finished.map(\.reason) == [.abort])
    }

    @Test("cancelling the reading task ends its stream and its request")
    func cancelledReader() async throws {
        let gate = Gate()
        let harness = try Harness { _, model in model.beforeStep = { _ in gate.pass() } }
        let handle = try harness.engine.submit(request(1, maximumTokens: 100))
        await gate.waitForArrival()
        let reader = Task {
            var iterator = handle.events.makeAsyncIterator()
            return await iterator.next()
        }
        reader.cancel()
        #expect(await reader.value == nil)
        gate.open()
        await harness.wait { steps in steps.contains { !$0.finished.isEmpty } }
        #expect(harness.observer.finished.map(\.reason) == [.abort])
        var again = handle.events.makeAsyncIterator()
        #expect(await again.next() == nil)
    }

    @Test("a choice ended from outside counts with its reason, and the others go on")
    func finishedFromOutside() async throws {
        let gate = Gate()
        let harness = try Harness { configuration, model in
            configuration.maxPrefillChunk = 3
            model.beforeStep = { _ in gate.pass() }
        }
        var pair = request(1, length: 5, maximumTokens: 6)
        pair.sampleCount = 2
        let handle = try harness.engine.submit(pair)
        await gate.waitForArrival()
        // In the prompt's first chunk: there is no token yet, so nothing happens; neither on a choice that isn't there.
        handle.finish(choice: 1, reason: .stop)
        handle.finish(choice: 7, reason: .stop)
        gate.letOneThrough()
        await gate.waitForArrival()
        gate.letOneThrough()
        await gate.waitForArrival()
        handle.finish(choice: 0, reason: .stop)
        handle.finish(choice: 0, reason: .length)
        gate.open()
        let outcome = try await CheckedStream(handle.events, choiceCount: 2).collect()
        #expect(outcome.choices.map(\.reason) == [.stop, .length])
        #expect(outcome.choices.map(\.tokens.count) == [2, 6])
        await harness.engine.shutdown(draining: .zero)
        #expect(harness.observer.finished.map(\.reason) == [.stop, .length])
    }

    @Test("a reader that does not read costs its own tokens and stalls nobody")
    func slowReader() async throws {
        let harness = try Harness()
        let slow = try harness.engine.submit(request(1, maximumTokens: 100))
        let other = try await harness.run(request(2, maximumTokens: 100))
        #expect(other.choices[0].tokens.count == 100)
        await harness.wait { steps in steps.map(\.finished.count).reduce(0, +) == 2 }
        var iterator = slow.events.makeAsyncIterator()
        let all = await iterator.next()
        #expect(all?.count == 101)
        #expect(await iterator.next() == nil)
    }

    @Test("shutdown lets what runs finish, refuses new work at once, and says so")
    func drainingShutdown() async throws {
        let gate = Gate()
        let harness = try Harness { _, model in model.beforeStep = { _ in gate.pass() } }
        let handle = try harness.engine.submit(request(1, maximumTokens: 30))
        await gate.waitForArrival()
        async let ended: Void = harness.engine.shutdown(draining: .seconds(30))
        while harness.engine.status.phase == .running { await Task.yield() }
        #expect(harness.engine.status.phase == .draining)
        #expect(throws: EngineError.stopped) { try harness.engine.submit(request(2)) }
        gate.open()
        let outcome = try await CheckedStream(handle.events).collect()
        #expect(outcome.choices[0].reason == .length)
        await ended
        #expect(harness.engine.status.phase == .stopped)
        #expect(!harness.engine.status.hasWork)
        #expect(throws: EngineError.stopped) { try harness.engine.submit(request(2)) }
    }

    @Test("shutdown without patience aborts running and queued requests", arguments: [0, 1])
    func abortingShutdown(waitingSteps: Int) async throws {
        let gate = Gate()
        let harness = try Harness { configuration, model in
            configuration.maxRunningSequences = 2
            model.beforeStep = { _ in gate.pass() }
        }
        let handles = try (0..<5).map { try harness.engine.submit(request(UInt64($0), maximumTokens: 100)) }
        for _ in 0..<waitingSteps {
            await gate.waitForArrival()
            gate.letOneThrough()
        }
        await gate.waitForArrival()
        async let ended: Void = harness.engine.shutdown(draining: .zero)
        while harness.engine.status.phase == .running { await Task.yield() }
        gate.open()
        for handle in handles {
            let outcome = try await CheckedStream(handle.events).collect()
            #expect(outcome.choices[0].reason == .abort)
        }
        await ended
        #expect(harness.observer.finished.count == 5)
        #expect(harness.observer.steps.last?.usedBlockCount == 0)
    }

    @Test("letting go of the engine ends its thread and its requests")
    func releasedEngine() async throws {
        let gate = Gate()
        var harness: Harness? = try Harness { _, model in model.beforeStep = { _ in gate.pass() } }
        let handle = try #require(try harness?.engine.submit(request(1, maximumTokens: 100)))
        await gate.waitForArrival()
        harness = nil
        gate.open()
        let outcome = try await CheckedStream(handle.events).collect()
        #expect(outcome.choices[0].reason == .abort)
    }

    @Test("a step that can't be computed ends what runs; three in a row are a failed engine, which recovers")
    func failingSteps() async throws {
        let failures = Mutex(3)
        let harness = try Harness { _, model in
            model.beforeStep = { _ throws(ExecutionError) in
                let fails = failures.withLock { left in
                    left -= 1
                    return left >= 0
                }
                if fails { throw .deviceLost("as told") }
            }
        }
        var pair = request(1)
        pair.sampleCount = 2
        for count in 1...3 {
            let outcome = try await harness.run(pair)
            #expect(outcome.choices.map(\.reason) == [.error, .error])
            if count < 3 { #expect(harness.engine.status.phase == .running) }
        }
        while harness.engine.status.phase != .failed { await Task.yield() }
        let outcome = try await harness.run(pair)
        #expect(outcome.choices.map(\.reason) == [.length, .length])
        while harness.engine.status.phase != .running { await Task.yield() }
        #expect(harness.observer.steps.last?.usedBlockCount == 0)
    }

    @Test("an idle engine sleeps until work comes")
    func idleEngine() async throws {
        let harness = try Harness()
        _ = try await harness.run(request(1))
        while harness.engine.status.hasWork { await Task.yield() }
        let before = harness.engine.status.heartbeat
        let end = Instant.now().advanced(by: .milliseconds(60))
        while Instant.now() < end { await Task.yield() }
        #expect(harness.engine.status.heartbeat == before)
        let outcome = try await harness.run(request(2))
        #expect(outcome.choices[0].reason == .length)
        #expect(harness.engine.status.heartbeat > before)
    }
}
