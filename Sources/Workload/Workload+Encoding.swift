// Workloads as JSON.

import JSON

extension Workload {
    /// The document that `init(json:)` reads. Numbers come back as they are, but for block names, which are numbered
    /// anew; see `WorkloadFormat`.
    public func serialized() -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.key(WorkloadFormat.versionField)
        json.value(WorkloadFormat.version)
        json.key("duration")
        json.value(duration)
        json.key("preemptions")
        json.value(preemptionCount)
        json.key("unfinished")
        json.value(unfinishedCount)
        settings.write(to: &json)
        var names = BlockNames()
        json.key("requests")
        json.beginArray()
        for request in requests { request.write(to: &json, &names) }
        json.endArray()
        json.key("steps")
        json.beginArray()
        for step in steps { step.write(to: &json) }
        json.endArray()
        json.key("token_latencies")
        json.beginArray()
        for seconds in interTokenLatencies { json.value(seconds) }
        json.endArray()
        json.endObject()
        return json.bytes
    }
}

/// Numbers for names, in the order in which they come.
private struct BlockNames {
    private var numbers: [UInt64: Int] = [:]

    /// The numbers of `names` as runs of consecutive ones.
    mutating func runs(of names: [UInt64]) -> [(first: Int, count: Int)] {
        var runs: [(first: Int, count: Int)] = []
        for name in names {
            let next = numbers.count
            let number = numbers[name] ?? next
            if number == next { numbers[name] = next }
            if let last = runs.last, last.first + last.count == number {
                runs[runs.count - 1].count += 1
            } else {
                runs.append((number, 1))
            }
        }
        return runs
    }
}

extension WorkloadRequest {
    fileprivate func write(to json: inout JSONWriter, _ names: inout BlockNames) {
        json.beginObject()
        json.key("at")
        json.value(arrival)
        json.key("prompt")
        json.value(promptTokenCount)
        json.key("generated")
        json.beginArray()
        for count in generatedTokenCounts { json.value(count) }
        json.endArray()
        if let firstTokenLatency {
            json.key("first")
            json.value(firstTokenLatency)
        }
        if let endLatency {
            json.key("end")
            json.value(endLatency)
        }
        if priority != 0 {
            json.key("priority")
            json.value(priority)
        }
        if tenant != 0 {
            json.key("tenant")
            json.value(tenant)
        }
        if wasAborted {
            json.key("aborted")
            json.value(true)
        }
        if !prefixBlocks.isEmpty {
            json.key("blocks")
            json.beginArray()
            for run in names.runs(of: prefixBlocks) {
                json.beginArray()
                json.value(run.first)
                json.value(run.count)
                json.endArray()
            }
            json.endArray()
        }
        json.endObject()
    }
}

extension StepSample {
    fileprivate func write(to json: inout JSONWriter) {
        json.beginArray()
        let counts = [
            sequenceCount, prefillRowCount, decodeRowCount, logitRowCount, attendedTokenCount, contextTokenCount,
        ]
        for count in counts { json.value(count) }
        json.value(seconds)
        json.endArray()
    }
}

extension WorkloadSettings {
    fileprivate func write(to json: inout JSONWriter) {
        json.key("settings")
        json.beginObject()
        let counts = [
            ("max_num_seqs", maxRunningSequences), ("max_num_batched_tokens", maxBatchedTokens),
            ("max_logit_rows", maxLogitRows), ("max_model_len", maxModelLength),
            // 0 is the option's own word for no threshold.
            ("long_prefill_token_threshold", maxPrefillChunk ?? 0), ("max_bypass", maxBypassCount),
            ("block_size", blockSize), ("block_count", blockCount), ("cache_bytes_per_token", cacheBytesPerToken),
        ]
        for (name, count) in counts {
            json.key(name)
            json.value(count)
        }
        let numbers = [
            ("max_decode_slowdown", maxDecodeSlowdown), ("priority_aging", priorityAging),
            ("scheduler_delay", schedulerDelay),
        ]
        for (name, number) in numbers {
            json.key(name)
            json.value(number)
        }
        json.key("scheduling_policy")
        json.value(policy)
        if let urgentPriority {
            json.key("urgent_priority")
            json.value(urgentPriority)
        }
        json.key("enable_prefix_caching")
        json.value(cachesPrefixes)
        json.endObject()
        json.key("tenants")
        json.beginArray()
        for tenant in tenants { tenant.write(to: &json) }
        json.endArray()
    }
}

extension WorkloadTenant {
    fileprivate func write(to json: inout JSONWriter) {
        json.beginObject()
        json.key("name")
        json.value(name)
        json.key("weight")
        json.value(weight)
        if let maxRunningSequences {
            json.key("max_num_seqs")
            json.value(maxRunningSequences)
        }
        if let maxBlocks {
            json.key("max_blocks")
            json.value(maxBlocks)
        }
        json.endObject()
    }
}
