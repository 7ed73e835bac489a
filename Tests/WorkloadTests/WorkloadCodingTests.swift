import JSON
import Testing
import Workload

@Suite("Workloads as JSON")
struct WorkloadCodingTests {
    @Test("any workload comes back as it was, with its blocks' names numbered anew")
    func roundTrip() throws {
        var random = SeededRandom(state: 1)
        for _ in 0..<200 {
            let workload = Self.workload(using: &random)
            let back = try Workload(json: workload.serialized())
            #expect(back.blanked == workload.blanked)
            // Which blocks are the same is all that names say.
            let names = workload.requests.flatMap(\.prefixBlocks), numbers = back.requests.flatMap(\.prefixBlocks)
            #expect(names.count == numbers.count)
            let pairs = Set(zip(names, numbers).map { [$0, $1] })
            #expect(pairs.count == Set(names).count && pairs.count == Set(numbers).count)
            #expect(Set(numbers) == Set(0..<UInt64(pairs.count)))
            // What has been numbered once stays as it is.
            #expect(try Workload(json: back.serialized()) == back)
        }
    }

    @Test("a document looks as it is described, and prompts that begin alike share a run")
    func golden() throws {
        var settings = WorkloadSettings(maxModelLength: 512, blockSize: 16, blockCount: 100)
        settings.cacheBytesPerToken = 64
        settings.maxDecodeSlowdown = 2.5
        var guest = WorkloadTenant(name: "guest")
        guest.maxBlocks = 10
        settings.tenants.append(guest)
        var workload = Workload(duration: 60.5, settings: settings)
        var first = WorkloadRequest(arrival: 0.25, promptTokenCount: 50, generatedTokenCounts: [7])
        first.prefixBlocks = [0xFFFF_FFFF_FFFF_FFFF, 3, 9]
        first.firstTokenLatency = 0.125
        first.endLatency = 0.5
        var second = WorkloadRequest(arrival: 1, promptTokenCount: 70, generatedTokenCounts: [0, 4])
        second.prefixBlocks = [0xFFFF_FFFF_FFFF_FFFF, 3, 8, 7]
        (second.priority, second.tenant, second.wasAborted) = (-2, 1, true)
        workload.requests = [first, second]
        workload.steps = [
            StepSample(
                sequenceCount: 2, prefillRowCount: 32, decodeRowCount: 1, logitRowCount: 2, attendedTokenCount: 560,
                contextTokenCount: 60, seconds: 0.0125)
        ]
        workload.interTokenLatencies = [0.02, 0.021]
        (workload.preemptionCount, workload.unfinishedCount) = (1, 3)
        let text = """
            {"workload":1,"duration":60.5,"preemptions":1,"unfinished":3,"settings":{"max_num_seqs":128,\
            "max_num_batched_tokens":2048,"max_logit_rows":2048,"max_model_len":512,\
            "long_prefill_token_threshold":0,"max_bypass":16,"block_size":16,"block_count":100,\
            "cache_bytes_per_token":64,"max_decode_slowdown":2.5,"priority_aging":30.0,"scheduler_delay":0.01,\
            "scheduling_policy":"fcfs","enable_prefix_caching":true},"tenants":[{"name":"default","weight":1.0},\
            {"name":"guest","weight":1.0,"max_blocks":10}],"requests":[{"at":0.25,"prompt":50,"generated":[7],\
            "first":0.125,"end":0.5,"blocks":[[0,3]]},{"at":1.0,"prompt":70,"generated":[0,4],"priority":-2,\
            "tenant":1,"aborted":true,"blocks":[[0,2],[3,2]]}],"steps":[[2,32,1,2,560,60,0.0125]],\
            "token_latencies":[0.02,0.021]}
            """
        #expect(String(decoding: workload.serialized(), as: UTF8.self) == text)
        #expect(try Workload(json: Array(text.utf8)).blanked == workload.blanked)
    }

    @Test(
        "a document that is wrong is refused, with the name of the field",
        arguments: [
            ("duration", "-1", "duration"), ("duration", "1e999", "duration"), ("duration", "null", "duration"),
            ("duration", "\"1\"", "duration"), ("workload", "2", ""), ("workload", "1.5", "workload"),
            ("preemptions", "-1", "preemptions"), ("unfinished", "true", "unfinished"),
            ("settings", "[]", "settings"), ("settings.block_size", "0", "settings.block_size"),
            ("settings.block_count", "99999999999", "settings.block_count"),
            ("settings.max_num_seqs", "1e300", "settings.max_num_seqs"),
            ("settings.scheduling_policy", "\"lifo\"", "settings.scheduling_policy"),
            ("settings.enable_prefix_caching", "1", "settings.enable_prefix_caching"),
            ("settings.scheduler_delay", "-0.01", "settings.scheduler_delay"),
            ("settings.surprise", "1", "settings.surprise"), ("surprise", "1", "surprise"),
            ("tenants", "[]", "tenants"), ("tenants", "{}", "tenants"),
            ("tenants", #"[{"name":"","weight":1}]"#, "tenants[0].name"),
            ("tenants", #"[{"name":"a","weight":0}]"#, "tenants[0].weight"),
            ("requests", "5", "requests"), ("requests", "[5]", "requests[0]"),
            ("requests", #"[{"at":0,"prompt":1,"generated":[]}]"#, "requests[0].generated"),
            ("requests", #"[{"at":0,"prompt":1}]"#, "requests[0].generated"),
            ("requests", #"[{"at":0,"prompt":0,"generated":[1]}]"#, "requests[0].prompt"),
            ("requests", #"[{"at":0,"prompt":99999999999,"generated":[1]}]"#, "requests[0].prompt"),
            ("requests", #"[{"at":0,"prompt":1,"generated":[-1]}]"#, "requests[0].generated[0]"),
            ("requests", #"[{"at":61,"prompt":1,"generated":[1]}]"#, "requests[0].at"),
            (
                "requests", #"[{"at":2,"prompt":1,"generated":[1]},{"at":1,"prompt":1,"generated":[1]}]"#,
                "requests[1].at"
            ),
            ("requests", #"[{"at":0,"prompt":1,"generated":[1],"tenant":2}]"#, "requests[0].tenant"),
            ("requests", #"[{"at":0,"prompt":1,"generated":[1],"first":-1}]"#, "requests[0].first"),
            ("requests", #"[{"at":0,"prompt":16,"generated":[1],"blocks":[[0,2]]}]"#, "requests[0].blocks[0][1]"),
            ("requests", #"[{"at":0,"prompt":16,"generated":[1],"blocks":[[-1,1]]}]"#, "requests[0].blocks[0][0]"),
            (
                "requests", #"[{"at":0,"prompt":33,"generated":[1],"blocks":[[9007199254740991,9007199254740991]]}]"#,
                "requests[0].blocks[0][1]"
            ),
            ("requests", #"[{"at":0,"prompt":32,"generated":[1],"blocks":[[0,1],[5,2]]}]"#, "requests[0].blocks[1]"),
            ("requests", #"[{"at":0,"prompt":32,"generated":[1],"blocks":[[1]]}]"#, "requests[0].blocks[0]"),
            ("steps", "[[1,1,0,1,1,1]]", "steps[0]"), ("steps", "[[1,1,0,1,1,1,-1]]", "steps[0][6]"),
            ("steps", "[[1,1,0,1,1.5,1,1]]", "steps[0][4]"), ("token_latencies", "[0.1,-0.1]", "token_latencies[1]"),
        ])
    func refusals(field: String, json: String, named: String) throws {
        let error = #expect(throws: WorkloadError.self) { try Self.read(setting: field, to: json) }
        let sentence = try #require(error?.description)
        #expect(named.isEmpty ? sentence.contains("version 2") : sentence.contains("`\(named)`"), "\(sentence)")
    }

    @Test("a field that is missing is named, and what is no JSON is none")
    func missing() throws {
        for field in ["duration", "settings", "tenants", "requests", "steps", "token_latencies", "unfinished"] {
            let error = #expect(throws: WorkloadError.self) { try Self.read(setting: field, to: nil) }
            #expect(error == .missingField(field))
        }
        for text in ["", "{", "NaN", #"{"workload":1,"workload":1}"#, "[[[[[[[[1]]]]]]]]"] {
            let error = #expect(throws: WorkloadError.self) { try Workload(json: Array(text.utf8)) }
            guard case .malformed = error else {
                Issue.record("\(text): \(String(describing: error))")
                continue
            }
        }
    }

    @Test("many small requests can't expand to more blocks than memory is for")
    func expansion() throws {
        let request = #"{"at":0,"prompt":16777216,"generated":[1],"blocks":[[0,1048576]]}"#
        let requests = "[" + Array(repeating: request, count: 5).joined(separator: ",") + "]"
        let error = #expect(throws: WorkloadError.self) { try Self.read(setting: "requests", to: requests) }
        #expect(error?.description.contains("`requests[4].blocks") == true, "\(String(describing: error))")
    }

    // MARK: -

    /// A small right document with one field changed, or taken away.
    private static func read(setting field: String, to json: String?) throws -> Workload {
        var workload = Workload(
            duration: 60, settings: WorkloadSettings(maxModelLength: 128, blockSize: 16, blockCount: 64))
        workload.settings.tenants.append(WorkloadTenant(name: "b"))
        var document = try JSONParser.parse(workload.serialized())
        let value = try json.map { try JSONParser.parse($0) }
        let path = field.split(separator: ".").map(String.init)
        guard case .object(var object) = document else { throw WorkloadError.missingField("") }
        if path.count == 2 {
            guard case .object(var inner)? = object[path[0]] else { throw WorkloadError.missingField("") }
            inner[path[1]] = value
            object[path[0]] = .object(inner)
        } else {
            object[path[0]] = value
        }
        document = .object(object)
        return try Workload(json: document.serializedBytes(style: .compact))
    }

    private static func workload(using random: inout SeededRandom) -> Workload {
        var settings = WorkloadSettings(
            maxModelLength: Int.random(in: 1...10_000, using: &random),
            blockSize: Int.random(in: 1...32, using: &random), blockCount: Int.random(in: 1...10_000, using: &random))
        settings.maxPrefillChunk = Bool.random(using: &random) ? Int.random(in: 1...999, using: &random) : nil
        settings.schedulerDelay = Double.random(in: 0...1, using: &random)
        settings.policy = Bool.random(using: &random) ? "fcfs" : "priority"
        settings.urgentPriority = Bool.random(using: &random) ? Int.random(in: -5...5, using: &random) : nil
        settings.cachesPrefixes = Bool.random(using: &random)
        for index in 0..<Int.random(in: 0...3, using: &random) {
            var tenant = WorkloadTenant(name: "tenant \"\(index)\" é")
            tenant.weight = Double.random(in: 0.1...10, using: &random)
            tenant.maxRunningSequences = Bool.random(using: &random) ? 5 : nil
            tenant.maxBlocks = Bool.random(using: &random) ? 7 : nil
            settings.tenants.append(tenant)
        }
        var workload = Workload(duration: Double.random(in: 1...1000, using: &random), settings: settings)
        var arrivals = (0..<Int.random(in: 0...20, using: &random)).map { _ in
            Double.random(in: 0...workload.duration, using: &random)
        }
        arrivals.sort()
        workload.requests = arrivals.map { request(at: $0, settings, using: &random) }
        workload.steps = (0..<Int.random(in: 0...20, using: &random)).map { _ in
            StepSample(
                sequenceCount: Int.random(in: 1...128, using: &random),
                prefillRowCount: Int.random(in: 0...2048, using: &random),
                decodeRowCount: Int.random(in: 0...128, using: &random),
                logitRowCount: Int.random(in: 0...128, using: &random),
                attendedTokenCount: Int.random(in: 0...1_000_000_000, using: &random),
                contextTokenCount: Int.random(in: 0...1_000_000, using: &random),
                seconds: Double.random(in: 0...10, using: &random))
        }
        workload.interTokenLatencies = (0..<10).map { _ in Double.random(in: 0...1e-6, using: &random) }
        workload.preemptionCount = Int.random(in: 0...100, using: &random)
        workload.unfinishedCount = Int.random(in: 0...100, using: &random)
        return workload
    }

    private static func request(
        at arrival: Double, _ settings: WorkloadSettings, using random: inout SeededRandom
    ) -> WorkloadRequest {
        var request = WorkloadRequest(
            arrival: arrival, promptTokenCount: Int.random(in: 1...500, using: &random),
            generatedTokenCounts: (0..<Int.random(in: 1...4, using: &random)).map { _ in
                Int.random(in: 0...100, using: &random)
            })
        request.priority = Int.random(in: -5...5, using: &random)
        request.tenant = Int.random(in: 0..<settings.tenants.count, using: &random)
        request.firstTokenLatency = Bool.random(using: &random) ? Double.random(in: 0...10, using: &random) : nil
        request.endLatency = Bool.random(using: &random) ? Double.random(in: 0...100, using: &random) : nil
        request.wasAborted = Bool.random(using: &random)
        // A few names, so that many are shared, in chains and out of them.
        let blockCount = Int.random(in: 0...request.promptTokenCount / settings.blockSize, using: &random)
        request.prefixBlocks = (0..<blockCount).map { place in
            UInt64(place) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64.random(in: 0...1, using: &random)
        }
        return request
    }
}

extension Workload {
    /// Without the names of blocks.
    fileprivate var blanked: Workload {
        var copy = self
        for index in copy.requests.indices { copy.requests[index].prefixBlocks = [] }
        return copy
    }
}

/// SplitMix64: what a seed gives is the same everywhere.
private struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
