// The result as JSON, with vLLM's keys in vLLM's order, and the name of its file.

public import JSON
internal import Primitives

/// What a result file says about the test beside its figures.
public struct ResultDocument: Sendable {
    public var date: WallTime
    public var backend: LoadBackend
    public var label: String?
    public var modelID: String
    public var tokenizerID: String?
    public var promptCount: Int
    public var arrivals: ArrivalProcess
    public var settings: ReportSettings
    /// Strings of the operator's own.
    public var metadata: [(key: String, value: String)]
    /// Whether every request is listed.
    public var isDetailed: Bool

    public init(
        date: WallTime, backend: LoadBackend, label: String?, modelID: String, tokenizerID: String?, promptCount: Int,
        arrivals: ArrivalProcess, settings: ReportSettings, metadata: [(key: String, value: String)] = [],
        isDetailed: Bool = false
    ) {
        self.date = date
        self.backend = backend
        self.label = label
        self.modelID = modelID
        self.tokenizerID = tokenizerID
        self.promptCount = promptCount
        self.arrivals = arrivals
        self.settings = settings
        self.metadata = metadata
        self.isDetailed = isDetailed
    }

    public func json(_ statistics: RunStatistics, run: LoadTestRun) -> JSONValue {
        var object = heading()
        addFigures(statistics, to: &object)
        if isDetailed { addRequests(statistics, run, to: &object) }
        object["max_output_tokens_per_s"] = .number(statistics.peakOutputTokensPerSecond)
        object["max_concurrent_requests"] = .integer(Int64(statistics.peakConcurrentRequests))
        object["rtfx"] = 0.0
        if !run.rateChanges.isEmpty {
            object["rps_change_events"] = .array(
                run.rateChanges.map {
                    ["rps": .integer(Int64($0.requestsPerSecond)), "timestamp": .string($0.time.iso8601)]
                })
        }
        if let speculation = statistics.speculation { addSpeculation(speculation, to: &object) }
        for metric in settings.metrics {
            guard let distribution = statistics.latencies[metric] else { continue }
            let name = metric.rawValue
            object["mean_\(name)_ms"] = .number(distribution.mean)
            object["median_\(name)_ms"] = .number(distribution.median)
            object["std_\(name)_ms"] = .number(distribution.standardDeviation)
            for percentile in distribution.percentiles {
                object["p\(ConsoleReport.rankText(percentile.rank))_\(name)_ms"] = .number(percentile.value)
            }
        }
        return .object(object)
    }

    /// `{label}-{rate}qps[-concurrencyN]-{model}-{date}.json`.
    public var fileName: String {
        let model = modelID.split(separator: "/").last.map(String.init) ?? modelID
        let concurrency = settings.maximumConcurrency.map { "-concurrency\($0)" } ?? ""
        let traffic =
            if let rampUp = arrivals.rampUp {
                "ramp-up-\(rampUp.strategy.rawValue)-\(rampUp.startRate)qps-\(rampUp.endRate)qps"
            } else {
                "\(arrivals.requestRate)qps"
            }
        return "\(label ?? backend.rawValue)-\(traffic)\(concurrency)-\(model)-\(date.stamp).json"
    }

    // MARK: - Parts

    private func heading() -> JSONObject {
        var object = JSONObject()
        object["date"] = .string(date.stamp)
        object["endpoint_type"] = .string(backend.rawValue)
        object["backend"] = .string(backend.rawValue)
        object["label"] = label.map { .string($0) } ?? .null
        object["model_id"] = .string(modelID)
        object["tokenizer_id"] = tokenizerID.map { .string($0) } ?? .null
        object["num_prompts"] = .integer(Int64(promptCount))
        for (key, value) in metadata { object[key] = .string(value) }
        let rate = arrivals.requestRate
        object["request_rate"] = rate.isFinite ? .number(rate) : "inf"
        object["burstiness"] = .number(arrivals.burstiness)
        object["max_concurrency"] = settings.maximumConcurrency.map { .integer(Int64($0)) } ?? .null
        if let rampUp = arrivals.rampUp {
            object["ramp_up_strategy"] = .string(rampUp.strategy.rawValue)
            object["ramp_up_start_rps"] = .integer(Int64(rampUp.startRate))
            object["ramp_up_end_rps"] = .integer(Int64(rampUp.endRate))
        }
        return object
    }

    private func addFigures(_ statistics: RunStatistics, to object: inout JSONObject) {
        object["duration"] = .number(statistics.durationSeconds)
        object["completed"] = .integer(Int64(statistics.completedCount))
        object["failed"] = .integer(Int64(statistics.failedCount))
        object["total_input_tokens"] = .integer(Int64(statistics.inputTokenCount))
        object["total_output_tokens"] = .integer(Int64(statistics.outputTokenCount))
        object["request_throughput"] = .number(statistics.requestThroughput)
        object["request_goodput"] = settings.showsGoodput ? .number(statistics.requestGoodput) : .null
        object["output_throughput"] = .number(statistics.outputThroughput)
        object["total_token_throughput"] = .number(statistics.totalTokenThroughput)
    }

    private func addSpeculation(_ speculation: SpeculationStatistics, to object: inout JSONObject) {
        object["spec_decode_acceptance_rate"] = .number(speculation.acceptancePercent)
        object["spec_decode_acceptance_length"] = .number(speculation.acceptanceLength)
        object["spec_decode_num_drafts"] = .integer(Int64(speculation.draftCount))
        object["spec_decode_draft_tokens"] = .integer(Int64(speculation.draftTokenCount))
        object["spec_decode_accepted_tokens"] = .integer(Int64(speculation.acceptedTokenCount))
        object["spec_decode_per_position_acceptance_rates"] = .array(
            speculation.positionRates.map { $0.map { .number($0) } ?? .null })
    }

    private func addRequests(_ statistics: RunStatistics, _ run: LoadTestRun, to object: inout JSONObject) {
        func list(_ value: (RequestRecord) -> JSONValue) -> JSONValue { .array(run.records.map(value)) }
        object["input_lens"] = list { .integer(Int64($0.promptTokenCount)) }
        object["output_lens"] = .array(statistics.outputLengths.map { .integer(Int64($0)) })
        object["ttfts"] = list { .number($0.timeToFirstToken) }
        object["itls"] = list { .array($0.interTokenLatencies.map { .number($0) }) }
        object["latencies"] = list { .number($0.latency) }
        object["start_times"] = list { .number(Double($0.start.nanoseconds) / 1e9) }
        object["queue_times"] = list { .number($0.queueTime) }
        object["generated_texts"] = list { .string($0.text) }
        object["errors"] = list { .string($0.error ?? "") }
    }
}
