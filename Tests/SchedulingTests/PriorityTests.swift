// Who goes before whom, and at whose cost.

import Primitives
import Scheduling
import Testing

@Suite("Scheduler, priorities")
struct PriorityTests {
    @Test("under the priority policy the least urgent gives way, whenever it came")
    func priorityPreemption() throws {
        var bench = Bench(blockCount: 2) { $0.policy = .priority }
        let casual = try bench.submit(4, priority: 5, maximumTokens: 4)[0]
        let urgent = try bench.submit(4, priority: -5, maximumTokens: 4)[0]
        #expect(try bench.step().map(\.sequence) == [urgent, casual])
        #expect(try bench.step().map(\.sequence) == [urgent])
        #expect(bench.batch.preempted == [casual])
    }

    @Test("an urgent request takes the place of the least urgent one, and no more places than it needs")
    func displacement() throws {
        var bench = Bench { limits in
            limits.policy = .priority
            limits.maxRunningSequences = 3
        }
        let casual = try (1...3).map { try bench.submit(4, priority: $0)[0] }
        try bench.step()
        let urgent = try bench.submit(4, priority: 0)[0]
        #expect(try bench.step().map(\.sequence) == casual[0...1] + [urgent])
        #expect(bench.batch.preempted == [casual[2]] && bench.batch.admitted == [urgent])
        let equal = try bench.submit(4, priority: 2)[0]
        #expect(try bench.step().map(\.sequence) == [urgent] + casual[0...1], "nobody gives way to an equal")
        bench.scheduler.finish(urgent)
        #expect(try bench.step().map(\.sequence) == casual[0...1] + [equal])
    }

    @Test("an urgent request takes blocks of less urgent ones, if that is of any use")
    func displacementOfBlocks() throws {
        var bench = Bench(blockCount: 10) { $0.policy = .priority }
        let casual = try (0..<3).map { _ in try bench.submit(12, priority: 1)[0] }
        try bench.step()
        let urgent = try bench.submit(16, priority: 0)[0]
        #expect(try bench.step().map(\.sequence) == [casual[0], urgent])
        #expect(bench.batch.preempted == [casual[2], casual[1]])
        _ = try bench.submit(30, priority: 0)
        #expect(try bench.step().map(\.sequence) == [urgent, casual[0]], "one more would not be enough")
    }

    @Test("those that give way leave a step's rows to an urgent prompt, from the moment it comes")
    func urgentPrompts() throws {
        var bench = Bench { limits in
            limits.policy = .priority
            limits.urgentPriority = 0
        }
        let allowance = PrefillAllowance(yieldingRows: 6)
        let casual = try bench.submit(20, priority: 5)[0], next = try bench.submit(20, priority: 5)[0]
        #expect(try bench.step(allowing: allowance) == [Planned(casual, 0, 6)])
        let urgent = try bench.submit(9, priority: 0)[0]
        #expect(try bench.step(allowing: allowance) == [Planned(urgent, 0, 9)])
        #expect(bench.scheduler.decodingCount == 1 && bench.scheduler.urgentDecodingCount == 1)
        #expect(try bench.step(allowing: allowance) == [Planned(urgent, 9, 1), Planned(casual, 6, 6)])
        let short = try bench.submit(2, priority: -1)[0]
        #expect(
            try bench.step(allowing: allowance) == [
                Planned(urgent, 10, 1), Planned(casual, 12, 4), Planned(short, 0, 2),
            ])
        for sequence in [urgent, short] { bench.scheduler.finish(sequence) }
        #expect(try bench.step(allowing: allowance) == [Planned(casual, 16, 4), Planned(next, 0, 2)])
        #expect(bench.scheduler.decodingCount == 1 && bench.scheduler.urgentDecodingCount == 0)
    }

    @Test("nobody gives way to an urgent prompt that can't come")
    func urgentPromptWithoutRoom() throws {
        var bench = Bench(blockCount: 10) { limits in
            limits.policy = .priority
            limits.urgentPriority = 0
        }
        let allowance = PrefillAllowance(yieldingRows: 4)
        let stream = try bench.submit(16, priority: 0)[0], casual = try bench.submit(12, priority: 5)[0]
        #expect(try bench.step(allowing: allowance) == [Planned(stream, 0, 16)])
        #expect(try bench.step(allowing: allowance) == [Planned(stream, 16, 1), Planned(casual, 0, 4)])
        _ = try bench.submit(28, priority: 0)
        #expect(try bench.step(allowing: allowance) == [Planned(stream, 17, 1), Planned(casual, 4, 4)])
        #expect(bench.batch.waitingCause == .blocks)
    }

    @Test("waiting makes up for priority, a level for each time that the limits say")
    func aging() throws {
        for (wait, winner) in [(25, 0), (15, 1)] {
            var bench = Bench { limits in
                limits.policy = .priority
                limits.priorityAging = .milliseconds(10)
                limits.maxRunningSequences = 1
            }
            _ = try bench.submit(4, priority: -9)
            try bench.step()
            var request = SequenceRequest(promptCount: 4, maximumTokens: 4)
            request.priority = 2
            let patient = try bench.scheduler.submit(request, at: Instant(nanoseconds: 0))[0]
            request.priority = 0
            let urgent = try bench.scheduler.submit(request, at: Instant(nanoseconds: Int64(wait) * 1_000_000))[0]
            bench.scheduler.finish(SequenceHandle(index: 0))
            #expect(try bench.step().map(\.sequence) == [[patient, urgent][winner]])
        }
    }

    @Test("the most extreme priorities keep their order", arguments: [Duration.zero, .seconds(30)])
    func extremePriorities(aging: Duration) throws {
        var bench = Bench { limits in
            limits.policy = .priority
            limits.priorityAging = aging
        }
        let sequences = try [Int.max, 0, Int.min].map { try bench.submit(4, priority: $0)[0] }
        #expect(try bench.step().map(\.sequence) == sequences.reversed())
    }

    @Test("priorities mean nothing under first come, first served")
    func ignoredPriorities() throws {
        var bench = Bench { $0.maxRunningSequences = 1 }
        let first = try bench.submit(4, priority: 5)[0]
        _ = try bench.submit(4, priority: -5)
        #expect(try bench.step().map(\.sequence) == [first])
    }
}
