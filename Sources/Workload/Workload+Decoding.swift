// Workloads from JSON. A capture may come from anywhere: every number is checked before anything is made of it.

import JSON

extension Workload {
    /// Reads a document; see `WorkloadFormat`.
    public init(json bytes: [UInt8]) throws(WorkloadError) {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONParser.parse(bytes, limits: WorkloadFormat.jsonLimits)
        } catch {
            throw .malformed(reason: "\(error)")
        }
        var fields = try FieldReader(document, at: "")
        let version = try fields.integer(WorkloadFormat.versionField, in: 0...(.max))
        guard version == WorkloadFormat.version else { throw .unsupportedVersion(Int64(version)) }
        let duration = try fields.number("duration", in: WorkloadFormat.seconds)
        let settings = try WorkloadSettings(fields.value("settings"), tenants: fields.value("tenants"))
        self.init(duration: duration, settings: settings)
        preemptionCount = try fields.integer("preemptions", in: WorkloadFormat.sums)
        unfinishedCount = try fields.integer("unfinished", in: WorkloadFormat.sums)
        requests = try Self.requests(
            fields.list("requests", limit: WorkloadFormat.requestLimit), duration: duration, settings)
        steps = try Self.steps(fields.list("steps", limit: WorkloadFormat.stepLimit))
        interTokenLatencies = try Self.latencies(fields.list("token_latencies", limit: WorkloadFormat.latencyLimit))
        try fields.finish()
    }

    private static func requests(
        _ list: [JSONValue], duration: Double, _ settings: WorkloadSettings
    ) throws(WorkloadError) -> [WorkloadRequest] {
        var requests: [WorkloadRequest] = []
        requests.reserveCapacity(list.count)
        var budget = RequestBudget()
        var earliest = 0.0
        for (index, value) in list.enumerated() {
            let request = try WorkloadRequest(
                value, at: "requests[\(index)]", arrivals: earliest...max(earliest, duration), settings, &budget)
            earliest = request.arrival
            requests.append(request)
        }
        return requests
    }

    private static func steps(_ list: [JSONValue]) throws(WorkloadError) -> [StepSample] {
        var steps: [StepSample] = []
        steps.reserveCapacity(list.count)
        for (index, value) in list.enumerated() { steps.append(try StepSample(value, at: "steps[\(index)]")) }
        return steps
    }

    private static func latencies(_ list: [JSONValue]) throws(WorkloadError) -> [Double] {
        var latencies: [Double] = []
        latencies.reserveCapacity(list.count)
        for (index, value) in list.enumerated() {
            latencies.append(
                try FieldReader.number(value, in: WorkloadFormat.seconds, at: "token_latencies[\(index)]"))
        }
        return latencies
    }
}

/// What all requests together may still have.
private struct RequestBudget {
    var samples = WorkloadFormat.sampleLimit
    var blockNames = WorkloadFormat.blockNameLimit
}

extension WorkloadRequest {
    fileprivate init(
        _ value: JSONValue, at path: String, arrivals: ClosedRange<Double>, _ settings: WorkloadSettings,
        _ budget: inout RequestBudget
    ) throws(WorkloadError) {
        var fields = try FieldReader(value, at: path)
        let arrival = try fields.number("at", in: arrivals)
        let promptCount = try fields.integer("prompt", in: 1...WorkloadFormat.tokens.upperBound)
        var generated: [Int] = []
        for (index, value) in try fields.list("generated", limit: budget.samples).enumerated() {
            let name = "\(fields.name(of: "generated"))[\(index)]"
            generated.append(try FieldReader.integer(value, in: WorkloadFormat.tokens, at: name))
        }
        guard !generated.isEmpty else {
            throw .invalidField(fields.name(of: "generated"), allowed: "a list of at least one number")
        }
        budget.samples -= generated.count
        self.init(arrival: arrival, promptTokenCount: promptCount, generatedTokenCounts: generated)
        firstTokenLatency = try fields.optionalNumber("first", in: WorkloadFormat.seconds)
        endLatency = try fields.optionalNumber("end", in: WorkloadFormat.seconds)
        priority = try fields.optionalInteger("priority", in: .min ... .max) ?? 0
        tenant = try fields.optionalInteger("tenant", in: 0...(settings.tenants.count - 1)) ?? 0
        if fields.optionalValue("aborted") != nil { wasAborted = try fields.truth("aborted") }
        if let blocks = fields.optionalValue("blocks") {
            let limit = min(promptCount / settings.blockSize, budget.blockNames)
            prefixBlocks = try Self.blockNames(blocks, at: fields.name(of: "blocks"), limit: limit)
            budget.blockNames -= prefixBlocks.count
        }
        try fields.finish()
    }

    /// Runs [first, count] become the names that they stand for, of which there are few before any is made.
    private static func blockNames(
        _ value: JSONValue, at path: String, limit: Int
    ) throws(WorkloadError) -> [UInt64] {
        var names: [UInt64] = []
        for (index, value) in try FieldReader.list(value, limit: limit, at: path).enumerated() {
            let path = "\(path)[\(index)]"
            guard let run = value.arrayValue, run.count == 2 else {
                throw .invalidField(path, allowed: "a list of two numbers")
            }
            let first = try FieldReader.integer(run[0], in: WorkloadFormat.sums, at: path + "[0]")
            let count = try FieldReader.integer(run[1], in: 1...max(1, limit), at: path + "[1]")
            guard names.count + count <= limit else {
                throw .invalidField(path, allowed: "of no more blocks than the prompt fills, and a capture may have")
            }
            for number in first..<first + count { names.append(UInt64(number)) }
        }
        return names
    }
}

extension StepSample {
    fileprivate init(_ value: JSONValue, at path: String) throws(WorkloadError) {
        guard let numbers = value.arrayValue, numbers.count == 7 else {
            throw .invalidField(path, allowed: "a list of seven numbers")
        }
        func count(_ index: Int, _ range: ClosedRange<Int>) throws(WorkloadError) -> Int {
            try FieldReader.integer(numbers[index], in: range, at: "\(path)[\(index)]")
        }
        self.init(
            sequenceCount: try count(0, WorkloadFormat.tokens), prefillRowCount: try count(1, WorkloadFormat.tokens),
            decodeRowCount: try count(2, WorkloadFormat.tokens), logitRowCount: try count(3, WorkloadFormat.tokens),
            attendedTokenCount: try count(4, WorkloadFormat.sums),
            contextTokenCount: try count(5, WorkloadFormat.sums),
            seconds: try FieldReader.number(numbers[6], in: WorkloadFormat.seconds, at: "\(path)[6]"))
    }
}

extension WorkloadSettings {
    fileprivate init(_ value: JSONValue, tenants list: JSONValue) throws(WorkloadError) {
        var fields = try FieldReader(value, at: "settings")
        let counts = 1...WorkloadFormat.tokens.upperBound
        self.init(
            maxModelLength: try fields.integer("max_model_len", in: counts),
            blockSize: try fields.integer("block_size", in: counts),
            blockCount: try fields.integer("block_count", in: WorkloadFormat.blocks))
        maxRunningSequences = try fields.integer("max_num_seqs", in: counts)
        maxBatchedTokens = try fields.integer("max_num_batched_tokens", in: counts)
        maxLogitRows = try fields.integer("max_logit_rows", in: counts)
        let chunk = try fields.integer("long_prefill_token_threshold", in: WorkloadFormat.tokens)
        maxPrefillChunk = chunk > 0 ? chunk : nil
        maxBypassCount = try fields.integer("max_bypass", in: WorkloadFormat.tokens)
        cacheBytesPerToken = try fields.integer("cache_bytes_per_token", in: 0...(1 << 32))
        maxDecodeSlowdown = try fields.number("max_decode_slowdown", in: 0...1e6)
        priorityAging = try fields.number("priority_aging", in: WorkloadFormat.seconds)
        schedulerDelay = try fields.number("scheduler_delay", in: 0...3600)
        policy = try fields.text("scheduling_policy")
        guard ["fcfs", "priority"].contains(policy) else {
            throw .invalidField(fields.name(of: "scheduling_policy"), allowed: "fcfs or priority")
        }
        urgentPriority = try fields.optionalInteger("urgent_priority", in: .min ... .max)
        cachesPrefixes = try fields.truth("enable_prefix_caching")
        try fields.finish()
        tenants = []
        for (index, value) in try FieldReader.list(list, limit: WorkloadFormat.tenantLimit, at: "tenants").enumerated()
        {
            tenants.append(try WorkloadTenant(value, at: "tenants[\(index)]"))
        }
        guard !tenants.isEmpty else { throw .invalidField("tenants", allowed: "a list of at least one") }
    }
}

extension WorkloadTenant {
    fileprivate init(_ value: JSONValue, at path: String) throws(WorkloadError) {
        var fields = try FieldReader(value, at: path)
        self.init(name: try fields.text("name"))
        weight = try fields.number("weight", in: 1e-9...1e9)
        maxRunningSequences = try fields.optionalInteger("max_num_seqs", in: 1...WorkloadFormat.tokens.upperBound)
        maxBlocks = try fields.optionalInteger("max_blocks", in: WorkloadFormat.blocks)
        try fields.finish()
    }
}
