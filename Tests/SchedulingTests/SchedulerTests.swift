// The scheduler's decisions, one by one.

import Primitives
import Scheduling
import Testing

@Suite("Scheduler")
struct SchedulerTests {
    @Test("a plan says why those that wait do")
    func waitingCause() throws {
        var bench = Bench()
        try bench.step()
        #expect(bench.batch.waitingCause == nil)

        bench = Bench { $0.maxRunningSequences = 1 }
        _ = try bench.submit(4)
        try bench.step()
        #expect(bench.batch.waitingCause == nil)
        _ = try bench.submit(4)
        try bench.step()
        #expect(bench.batch.waitingCause == .slots)

        bench = Bench(blockCount: 6)
        _ = try bench.submit(14)
        _ = try bench.submit(14)
        try bench.step()
        #expect(bench.batch.waitingCause == .blocks)

        bench = Bench { $0.maxBatchedTokens = 8 }
        _ = try bench.submit(8)
        _ = try bench.submit(8)
        try bench.step()
        #expect(bench.batch.waitingCause == .tokenBudget)
        // Whoever was preempted waits for blocks, and everybody behind it.
        bench = Bench(blockCount: 2)
        _ = try bench.submit(4, maximumTokens: 5)
        _ = try bench.submit(4, maximumTokens: 5)
        try bench.step()
        #expect(bench.batch.waitingCause == nil)
        try bench.step()
        #expect(!bench.batch.preempted.isEmpty && bench.batch.waitingCause == .blocks)
    }

    @Test("a long prompt is computed in chunks beside the others' tokens, within one budget")
    func chunkedPrefill() throws {
        var bench = Bench { $0.maxBatchedTokens = 8 }
        let short = try bench.submit(3)[0]
        let long = try bench.submit(18)[0]
        #expect(try bench.step() == [Planned(short, 0, 3), Planned(long, 0, 5)])
        #expect(try bench.step() == [Planned(short, 3, 1), Planned(long, 5, 7)])
        #expect(try bench.step() == [Planned(short, 4, 1), Planned(long, 12, 6)])
        #expect(try bench.step() == [Planned(short, 5, 1), Planned(long, 18, 1)])
    }

    @Test("a long prompt that came first leaves a row for each of those behind it")
    func longPromptSparesOthers() throws {
        var bench = Bench { limits in
            limits.maxBatchedTokens = 8
            limits.policy = .priority
        }
        let short = try bench.submit(2)[0]
        try bench.step()
        let long = try bench.submit(30, priority: -1)[0]
        #expect(try bench.step() == [Planned(short, 2, 1), Planned(long, 0, 7)])
        #expect(try bench.step() == [Planned(long, 7, 7), Planned(short, 3, 1)])
    }

    @Test("a chunk limit applies to each sequence")
    func chunkLimit() throws {
        var bench = Bench { $0.maxPrefillChunk = 3 }
        let first = try bench.submit(5)[0]
        let second = try bench.submit(4)[0]
        #expect(try bench.step() == [Planned(first, 0, 3), Planned(second, 0, 3)])
        #expect(try bench.step() == [Planned(first, 3, 2), Planned(second, 3, 1)])
    }

    @Test("sequences join in order of arrival as places get free, and nobody overtakes")
    func places() throws {
        var bench = Bench { $0.maxRunningSequences = 2 }
        let sequences = try (0..<3).map { _ in try bench.submit(4)[0] }
        try bench.step()
        #expect(bench.scheduler.runningCount == 2 && bench.scheduler.waitingCount == 1)
        bench.scheduler.finish(sequences[0])
        let last = try bench.submit(1)[0]
        #expect(try bench.step().map(\.sequence) == [sequences[1], sequences[2]])
        bench.scheduler.finish(sequences[1])
        #expect(try bench.step().map(\.sequence) == [sequences[2], last])
    }

    @Test("rows for those who catch up are theirs together, and the others' tokens come all the same")
    func prefillRows() throws {
        var bench = Bench()
        let streams = try (0..<2).map { _ in try bench.submit(3)[0] }
        #expect(try bench.step(prefillRows: 6) == streams.map { Planned($0, 0, 3) })
        let long = try bench.submit(9)[0], next = try bench.submit(4)[0]
        #expect(bench.scheduler.decodingCount == 2)
        #expect(try bench.step(prefillRows: 5) == streams.map { Planned($0, 3, 1) } + [Planned(long, 0, 5)])
        #expect(bench.batch.waitingCause == .tokenBudget)
        #expect(try bench.step(prefillRows: 5).suffix(2) == [Planned(long, 5, 4), Planned(next, 0, 1)])
        #expect(bench.scheduler.decodingCount == 3)
        #expect(try bench.step(prefillRows: 1).suffix(2) == [Planned(long, 9, 1), Planned(next, 1, 1)])
        #expect(try bench.step().suffix(2) == [Planned(long, 10, 1), Planned(next, 2, 2)])
    }

    @Test("those behind one that catches up get their rows, whether it has some in this step or not")
    func prefillRowsUsedUp() throws {
        var bench = Bench()
        let long = try bench.submit(8)[0], second = try bench.submit(5)[0]
        #expect(try bench.step(prefillRows: 8) == [Planned(long, 0, 8)])
        #expect(try bench.step(prefillRows: 2) == [Planned(long, 8, 1), Planned(second, 0, 2)])
        let third = try bench.submit(1)[0]
        #expect(try bench.step(prefillRows: 3) == [Planned(long, 9, 1), Planned(second, 2, 3)])
        #expect(try bench.step(prefillRows: 1).map(\.sequence) == [long, second, third])
    }

    @Test("later ones that fit go before one that does not, so many times as the limit says")
    func bypass() throws {
        var bench = Bench(blockCount: 10) { $0.maxBypassCount = 2 }
        let first = try bench.submit(20)[0]
        let large = try bench.submit(21)[0]
        let small = try (0..<4).map { _ in try bench.submit(3)[0] }
        #expect(try bench.step().map(\.sequence) == [first] + small[0...1])
        #expect(bench.batch.waitingCause == .blocks && bench.scheduler.waitingCount == 3)
        for sequence in small[0...1] { bench.scheduler.finish(sequence) }
        #expect(try bench.step().map(\.sequence) == [first], "it has been overtaken often enough")
        bench.scheduler.finish(first)
        #expect(try bench.step().map(\.sequence) == [large] + small[2...3])
    }

    @Test("samples that need several places are overtaken by one that needs one")
    func bypassForPlaces() throws {
        var bench = Bench { limits in
            limits.maxRunningSequences = 4
            limits.maxBypassCount = 1
        }
        let running = try (0..<2).map { _ in try bench.submit(2)[0] }
        let group = try bench.submit(4, samples: 3)
        let later = try (0..<2).map { _ in try bench.submit(2)[0] }
        #expect(try bench.step().map(\.sequence) == running + [later[0]])
        #expect(bench.batch.waitingCause == .slots)
        bench.scheduler.finish(running[0])
        #expect(try bench.step().map(\.sequence) == [running[1], later[0]])
        bench.scheduler.finish(running[1])
        #expect(try bench.step().map(\.sequence) == [later[0], group[0]])
    }

    @Test("nobody overtakes one that has run and lost its blocks")
    func noBypassOfThePreempted() throws {
        var bench = Bench(blockCount: 4)
        let first = try bench.submit(8, maximumTokens: 9)[0]
        let second = try bench.submit(8, maximumTokens: 9)[0]
        try bench.step()
        let small = try bench.submit(1, maximumTokens: 2)[0]
        #expect(try bench.step().map(\.sequence) == [first])
        #expect(bench.batch.preempted == [second])
        #expect(try bench.step().map(\.sequence) == [first])
        bench.scheduler.finish(first)
        #expect(try bench.step().map(\.sequence) == [second, small])
    }

    @Test("admits a sequence only if all of it fits, and nobody overtakes it where that is turned off")
    func admissionGate() throws {
        var bench = Bench(blockCount: 10) { limits in
            limits.maxBatchedTokens = 8
            limits.maxBypassCount = 0
        }
        let first = try bench.submit(20)[0]
        // Five blocks are promised to the first one, though its first chunk takes only two.
        let second = try bench.submit(21)[0]
        let third = try bench.submit(1)[0]
        #expect(try bench.step().map(\.sequence) == [first])
        #expect(try bench.step().map(\.sequence) == [first])
        bench.scheduler.finish(first)
        #expect(try bench.step().map(\.sequence) == [second])
        try bench.step()
        #expect(try bench.step().map(\.sequence) == [second, third])
    }

    @Test("the last one gives way when blocks run out, and comes back whole before later ones")
    func preemption() throws {
        var bench = Bench(blockCount: 4)
        let first = try bench.submit(4)[0]
        let second = try bench.submit(7)[0]
        let third = try bench.submit(1, maximumTokens: 4)[0]
        #expect(try bench.step() == [Planned(first, 0, 4), Planned(second, 0, 7), Planned(third, 0, 1)])
        #expect(try bench.step() == [Planned(first, 4, 1), Planned(second, 7, 1)])
        #expect(bench.batch.preempted == [third])
        #expect(try bench.step() == [Planned(first, 5, 1)])
        #expect(bench.batch.preempted == [second] && bench.batch.admitted.isEmpty)
        #expect(bench.scheduler.preemptionCount(of: second) == 1)
        bench.scheduler.finish(first)
        #expect(try bench.step() == [Planned(second, 0, 9), Planned(third, 0, 2)])
    }

    @Test("samples wait for their prompt, then share its blocks, and each writer but the last gets a copy")
    func forkAndCopyOnWrite() throws {
        var bench = Bench()
        let group = try bench.submit(6, samples: 3)
        #expect(bench.scheduler.waitingCount == 3)
        #expect(try bench.step() == [Planned(group[0], 0, 6)])
        #expect(bench.scheduler.runningCount == 3 && bench.scheduler.waitingCount == 0)
        #expect(bench.scheduler.usedBlockCount == 2 && bench.scheduler.cachedTokenCount == 6)
        #expect(try bench.step() == group.map { Planned($0, 6, 1) })
        let partial: BlockID = 1
        #expect(bench.batch.blockCopies.map(\.source) == [partial, partial])
        #expect(group.map { bench.scheduler.blockTable(of: $0)[0] } == [0, 0, 0])
        #expect(Set(group.map { bench.scheduler.blockTable(of: $0)[1] }).count == 3)
        #expect(bench.scheduler.blockTable(of: group[2])[1] == partial)
        #expect(bench.scheduler.usedBlockCount == 4 && bench.scheduler.cachedTokenCount == 4 + 3 * 3)
    }

    @Test("samples whose prompt fills its blocks need no copy")
    func forkWithoutCopy() throws {
        var bench = Bench()
        _ = try bench.submit(8, samples: 2)
        try bench.step()
        try bench.step()
        #expect(bench.batch.blockCopies.isEmpty && bench.scheduler.usedBlockCount == 4)
    }

    @Test("a group is admitted only with a place for each of its samples")
    func groupPlaces() throws {
        var bench = Bench { limits in
            limits.maxRunningSequences = 4
            limits.maxPrefillChunk = 2
        }
        let single = try bench.submit(2)[0]
        let group = try bench.submit(4, samples: 3)
        let later = try bench.submit(2)[0]
        #expect(try bench.step().map(\.sequence) == [single, group[0]])
        #expect(bench.scheduler.waitingCount == 3)
        #expect(try bench.step().map(\.sequence) == [single, group[0]])
        #expect(bench.scheduler.runningCount == 4 && bench.scheduler.waitingCount == 1)
        bench.scheduler.finish(single)
        #expect(try bench.step().map(\.sequence) == group + [later])
    }

    @Test("a preempted sample comes back alone")
    func preemptedSample() throws {
        var bench = Bench(blockCount: 3)
        let group = try bench.submit(7, samples: 2, maximumTokens: 6)
        try bench.step()
        // Both write the last slot of their second block, of which one is a copy; then the first needs a third one.
        #expect(try bench.step() == group.map { Planned($0, 7, 1) })
        #expect(try bench.step() == [Planned(group[0], 8, 1)])
        #expect(bench.batch.preempted == [group[1]])
        bench.scheduler.finish(group[0])
        #expect(try bench.step() == [Planned(group[1], 0, 9)])
    }

    @Test("rows whose logits are wanted stay within their own budget")
    func logitBudget() throws {
        var bench = Bench { $0.maxLogitRows = 4 }
        var scored = SequenceRequest(promptCount: 9, maximumTokens: 5)
        scored.wantsPromptLogits = true
        let first = try bench.scheduler.submit(scored, at: Instant(nanoseconds: 0))[0]
        let second = try bench.submit(3)[0]
        #expect(try bench.step() == [Planned(first, 0, 4)])
        #expect(bench.batch.logitRowCount == 4)
        #expect(try bench.step() == [Planned(first, 4, 4)])
        #expect(try bench.step() == [Planned(first, 8, 1), Planned(second, 0, 3)])
        #expect(bench.batch.logitRowCount == 2)
    }

    @Test("ends a sequence in any state and gives its blocks back", arguments: [0, 1, 2, 3])
    func endings(steps: Int) throws {
        var bench = Bench { $0.maxPrefillChunk = 3 }
        let group = try bench.submit(6, samples: 3)
        for _ in 0..<steps { try bench.step() }
        for sequence in group.reversed() {
            bench.scheduler.finish(sequence)
            try bench.scheduler.checkInvariants()
        }
        #expect(!bench.scheduler.hasWork && bench.scheduler.usedBlockCount == 0)
        bench.scheduler.finish(group[0])
        try bench.scheduler.checkInvariants()
    }

    @Test("an unforked group ends with its first sample")
    func endingAGroup() throws {
        var bench = Bench { $0.maxPrefillChunk = 3 }
        let group = try bench.submit(6, samples: 3)
        try bench.step()
        bench.scheduler.finish(group[0])
        try bench.scheduler.checkInvariants()
        #expect(!bench.scheduler.hasWork && bench.scheduler.waitingCount == 0)
    }

    @Test("what could never run is refused")
    func refusals() {
        var limits = SchedulerLimits(maxModelLength: 100, blockSize: 4, blockCount: 5)
        limits.maxRunningSequences = 2
        func refusal(_ promptCount: Int, _ maximumTokens: Int, samples: Int = 1) -> SchedulingError? {
            var request = SequenceRequest(promptCount: promptCount, maximumTokens: maximumTokens)
            request.sampleCount = samples
            do throws(SchedulingError) {
                try limits.check(request)
                return nil
            } catch {
                return error
            }
        }
        #expect(refusal(0, 1) == .emptyPrompt)
        #expect(refusal(1, 0) == .nothingToGenerate)
        #expect(refusal(100, 1) == .promptTooLong(tokenCount: 100, limit: 100))
        #expect(refusal(1, 1, samples: 3) == .tooManySamples(count: 3, limit: 2))
        // The last token drawn is never computed: 21 tokens fit into 20 slots.
        #expect(refusal(11, 10) == nil)
        #expect(refusal(11, 11) == .neverFits(neededBlocks: 6, blockCount: 5))
        #expect(refusal(11, .max) == .neverFits(neededBlocks: 25, blockCount: 5))
    }
}
