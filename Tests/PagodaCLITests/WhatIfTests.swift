import ArgumentParser
import Foundation
import JSON
import PagodaCLI
import Testing
import Workload

@Suite("doctor --what-if")
struct WhatIfTests {
    @Test(
        "a scenario that can't be is refused before anything is asked, in the words of the option it is named after",
        arguments: [
            ("max-num-seqs=0", "--max-num-seqs 0 is not possible; allowed is 1 to 2147483647."),
            ("max-num-seqs=many", "The value 'many' is invalid for '--max-num-seqs <max-num-seqs>'"),
            ("max-num-seqs=4,block-size=12", "--block-size 12 is not possible; allowed is a multiple of 8"),
            ("max_num_batched_tokens=0", "--max-num-batched-tokens 0 is not possible"),
            ("policy=lifo", "--scheduling-policy lifo is not possible; allowed is fcfs or priority."),
            ("max-decode-slowdown=-1", "--max-decode-slowdown -1.0 is not possible"),
            ("scheduler-delay=nan", "--scheduler-delay nan is not possible"),
            ("enable-prefix-caching=maybe", "enable-prefix-caching is true or false"),
            ("kv-cache-memory-bytes=4X", "The value '4X' is invalid for '--kv-cache-memory-bytes"),
            ("replicas=0", "replicas is from 1 to 64"), ("replicas=1.5", "replicas is from 1 to 64"),
            ("threads=4", "of max-num-seqs, max-num-batched-tokens,"), ("max-num-seqs", "SETTING=VALUE"),
            ("", "SETTING=VALUE"), ("max-num-seqs=4,", "SETTING=VALUE"), ("=4", "SETTING=VALUE"),
        ])
    func refusals(scenario: String, part: String) async throws {
        // Nobody listens there, and nobody is asked.
        let sentence = try await refusal(["127.0.0.1:9", "--what-if", scenario])
        #expect(sentence.contains(part), "\(sentence)")
        #expect(!sentence.contains("No answer"))
    }

    @Test("what does not go together is said, and a server that is not there is named")
    func combinations() async throws {
        let scenario = ["--what-if", "replicas=2"]
        for options in [["--fail-on", "limit"], ["--prometheus", "p:9090"]] {
            #expect(try await refusal(scenario + options).hasPrefix("--what-if goes with neither"))
        }
        let range = try await refusal(scenario + ["--range", "2d"])
        #expect(range == "--range 2d is not possible; allowed is 1s to 1d with --what-if.")
        let nowhere = try await refusal(["127.0.0.1:9/metrics"] + scenario)
        #expect(nowhere.hasPrefix("No answer from http://127.0.0.1:9/debug/workload?seconds=300.0: "))
    }

    @Test("a capture in a file is checked, and replayed under settings that are right for it alone")
    func files() async throws {
        let missing = try await refusal(["--capture", "/nowhere/at-all", "--what-if", "replicas=2"])
        #expect(missing.contains("--capture /nowhere/at-all is not possible"))
        let wrong = try await refusal(capture: Array("{}".utf8), ["--what-if", "replicas=2"])
        #expect(wrong == "The capture has no field `workload`.")
        var workload = Workload(
            duration: 10, settings: WorkloadSettings(maxModelLength: 256, blockSize: 16, blockCount: 64))
        let empty = try await refusal(capture: workload.serialized(), [])
        #expect(empty.hasPrefix("The capture has no request that has ended;"))
        workload.requests = [WorkloadRequest(arrival: 1, promptTokenCount: 20, generatedTokenCounts: [5])]
        let memory = try await refusal(capture: workload.serialized(), ["--what-if", "kv-cache-memory-bytes=1M"])
        #expect(memory.contains("the capture does not say what a token takes in the KV cache"))
        workload.settings.cacheBytesPerToken = 1024
        let small = try await refusal(capture: workload.serialized(), ["--what-if", "kv-cache-memory-bytes=255K"])
        #expect(small.contains("the KV cache would hold 255 tokens, and must hold one sequence of --max-model-len 256"))
    }

    private func refusal(capture: [UInt8], _ options: [String]) async throws -> String {
        let file = FileManager.default.temporaryDirectory.appending(path: "pagoda-capture-\(UUID().uuidString).json")
        try Data(capture).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try await refusal(["--capture", file.path] + options)
    }

    /// What the command says instead of doing it.
    private func refusal(_ options: [String]) async throws -> String {
        let error = await #expect(throws: (any Error).self) {
            guard var command = try Pagoda.parseAsRoot(["doctor"] + options) as? any AsyncParsableCommand else {
                return
            }
            try await command.run()
        }
        return "\(try #require(error))"
    }
}
