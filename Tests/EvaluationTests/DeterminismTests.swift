import Evaluation
import Models
import Primitives
import Testing

@Suite("Determinism")
struct DeterminismTests {
    private let prompts = [1, 40, 16, 17, 130].map { count in (0..<count).map { TokenID(($0 * 7 + count) % 61) } }

    private func arrangement(_ name: String) throws -> RunArrangement {
        try #require(RunArrangement.all.first { $0.name == name })
    }

    @Test("the hash is FNV-1a of 128 bits")
    func hash() {
        func hash(of text: String) -> String {
            text.utf8.reduce(into: LogitsHash()) { $0.combine($1) }.description
        }
        #expect(hash(of: "") == "6c62272e07bb014262b821756295c58d")
        #expect(hash(of: "a") == "d228cb696f1a8caf78912b704e4a8964")
        #expect(hash(of: "foobar") == "343e1662793c64bf6f0d3597ba446f18")
        let row: [Float] = [0, -0.0, 1, -.infinity]
        var floats = LogitsHash()
        floats.combine(row.span)
        #expect(floats.description == "faea2cff2b027a4965f429bb953250dd")
    }

    @Test("every arrangement gives the same logits where the executor does", arguments: RunArrangement.all)
    func equal(arrangement: RunArrangement) throws {
        let expected = try DeterminismRun(WatchedExecutor(), decodedCount: 20).run(prompts, RunArrangement.all[0])
        for trace in expected { #expect(trace.tokenIDs.count == 20 && trace.rowHashes.count == 21) }
        // As little of everything as will do.
        let needed = DeterminismRun.blocksNeeded(
            promptCounts: prompts.map(\.count), decodedCount: 20, blockSize: 16)
        for executor in [WatchedExecutor(blockCount: needed), WatchedExecutor(maximumRows: 11, maximumLogitRows: 2)] {
            let found = try DeterminismRun(executor, decodedCount: 20).run(prompts, arrangement)
            #expect(found == expected && TraceDifference(found, from: expected) == nil)
        }
    }

    @Test("arrangements do what they are called")
    func arrangements() throws {
        func batches(_ name: String) throws -> WatchedExecutor {
            let executor = WatchedExecutor()
            _ = try DeterminismRun(executor, decodedCount: 20).run(prompts, arrangement(name))
            return executor
        }
        #expect(try batches("alone").batches.allSatisfy { $0.sequences.count == 1 })
        #expect(try batches("together").batches.first?.sequences.map(\.rowCount) == [1, 40, 16, 17, 130])
        let chunks = try batches("chunks of 7").batches
        #expect(chunks.allSatisfy { $0.sequences.allSatisfy { $0.rowCount <= 7 } })
        // Prompts are prefilled while others decode.
        #expect(chunks.contains { Set($0.sequences.map(\.rowCount)).isSuperset(of: [1, 7]) })
        // Of 1, 40, 16, 17 and 130 tokens what full blocks of 16 leave, and one at least.
        let found = try batches("cached prefixes").batches.first { !$0.logitRows.isEmpty }
        #expect(found?.sequences.map(\.rowCount) == [1, 8, 16, 1, 2])
        #expect(found?.sequences.map(\.contextLength) == [1, 40, 16, 17, 130])
        let consecutive = try batches("together").tables.last?.last, scattered = try batches("scattered blocks").tables
        #expect(consecutive.map { zip($0, $0.dropFirst()).count { $0 + 1 != $1 } } == 1)
        #expect(scattered.first?.last.map { zip($0, $0.dropFirst()).contains { $0 + 1 == $1 } } == false)
    }

    @Test("what is preempted is computed again from its first token, in blocks that it did not have")
    func preemption() throws {
        let executor = WatchedExecutor(
            blockCount: DeterminismRun.blocksNeeded(promptCounts: [40], decodedCount: 20, blockSize: 16))
        _ = try DeterminismRun(executor, decodedCount: 20).run([prompts[1]], arrangement("preempted"))
        let computed = executor.batches.map { $0.sequences[0] }
        #expect(computed.prefix(3).map(\.rowCount) == [40, 41, 1])
        #expect(computed.prefix(3).map(\.contextLength) == [40, 41, 42])
        #expect(Set(executor.tables[0][0]).isDisjoint(with: executor.tables[1][0]))
        #expect(computed.count == 21)
    }

    @Test("one bit in one row is found, and named by prompt and position")
    func flaw() throws {
        let expected = try DeterminismRun(WatchedExecutor(), decodedCount: 20).run(prompts, RunArrangement.all[0])
        // Where a batch mixes sequences, the row after position 45 of any sequence is off: only prompt 1 decodes there.
        let flawed = WatchedExecutor { batch, row in
            batch.sequences.count > 1 && batch.positions[Int(batch.logitRows[row])] == 45
        }
        let alone = try DeterminismRun(flawed, decodedCount: 20).run(prompts, RunArrangement.all[0])
        #expect(TraceDifference(alone, from: expected) == nil)
        let together = try DeterminismRun(flawed, decodedCount: 20).run(prompts, arrangement("together"))
        let difference = try #require(TraceDifference(together, from: expected))
        #expect(difference.promptIndex == 1 && difference.position == 45)
        #expect(together[1].hash != expected[1].hash && together[2].hash == expected[2].hash)
        #expect(together[1].tokenIDs == expected[1].tokenIDs)
    }

    @Test("another prompt of the same length is reported as different at its end")
    func otherPrompt() throws {
        let run = DeterminismRun(WatchedExecutor(), decodedCount: 20)
        var other = prompts
        other[3][0] = 60
        let expected = try run.run(prompts, RunArrangement.all[0])
        let difference = try #require(TraceDifference(try run.run(other, RunArrangement.all[0]), from: expected))
        #expect(difference.promptIndex == 3 && difference.position == 16)
    }

    @Test("a cache that is too small is an error")
    func smallCache() {
        let small = DeterminismRun(WatchedExecutor(blockCount: 5), decodedCount: 20)
        #expect(throws: EvaluationError.cacheTooSmall(blockCount: 5)) { try small.run(prompts, RunArrangement.all[1]) }
    }
}
