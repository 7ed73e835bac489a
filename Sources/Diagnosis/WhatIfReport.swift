// What a server did, and what it would have done otherwise, beside each other.

public import JSON

/// A capture of a server, replayed as it was set and under other settings.
public struct WhatIfReport: Sendable, Equatable {
    /// What requests met. Nil: there was nothing to measure it by.
    public struct Figures: Sendable, Equatable {
        /// Seconds.
        public var firstTokenMedian: Double?
        public var firstTokenP99: Double?
        public var tokenMedian: Double?
        public var tokenP99: Double?
        public var generatedTokensPerSecond: Double
        public var preemptionCount: Int

        public init(
            firstTokenMedian: Double?, firstTokenP99: Double?, tokenMedian: Double?, tokenP99: Double?,
            generatedTokensPerSecond: Double, preemptionCount: Int
        ) {
            self.firstTokenMedian = firstTokenMedian
            self.firstTokenP99 = firstTokenP99
            self.tokenMedian = tokenMedian
            self.tokenP99 = tokenP99
            self.generatedTokensPerSecond = generatedTokensPerSecond
            self.preemptionCount = preemptionCount
        }
    }

    /// The settings as they were asked for, and what came of them.
    public struct Scenario: Sendable, Equatable {
        public var name: String
        public var figures: Figures

        public init(name: String, figures: Figures) {
            self.name = name
            self.figures = figures
        }
    }

    /// Where the capture came from.
    public var source: String
    /// Of the capture.
    public var seconds: Double
    public var requestCount: Int
    public var generatedTokenCount: Int
    public var unfinishedCount: Int
    public var stepCount: Int
    /// Half of the steps are further from what the model of their costs says: a share of what they took.
    public var stepError: Double
    public var measured: Figures
    /// With the settings of the capture.
    public var replayed: Figures
    public var scenarios: [Scenario] = []
    /// What speaks against these numbers, in sentences.
    public var warnings: [String] = []

    public init(
        source: String, seconds: Double, requestCount: Int, generatedTokenCount: Int, unfinishedCount: Int,
        stepCount: Int, stepError: Double, measured: Figures, replayed: Figures
    ) {
        self.source = source
        self.seconds = seconds
        self.requestCount = requestCount
        self.generatedTokenCount = generatedTokenCount
        self.unfinishedCount = unfinishedCount
        self.stepCount = stepCount
        self.stepError = stepError
        self.measured = measured
        self.replayed = replayed
    }
}

// MARK: - JSON

extension WhatIfReport {
    /// Writes an object: the capture, what was measured, the replay of it, and the scenarios.
    public func write(to json: inout JSONWriter) {
        json.beginObject()
        json.key("seconds")
        json.value(seconds)
        let counts = [
            ("requests", requestCount), ("generated_tokens", generatedTokenCount), ("unfinished", unfinishedCount),
            ("steps", stepCount),
        ]
        for (key, count) in counts {
            json.key(key)
            json.value(count)
        }
        json.key("step_error")
        json.value(stepError)
        for (key, figures) in [("measured", measured), ("replayed", replayed)] {
            json.key(key)
            json.beginObject()
            figures.write(to: &json)
            json.endObject()
        }
        json.key("scenarios")
        json.beginArray()
        for scenario in scenarios {
            json.beginObject()
            json.key("settings")
            json.value(scenario.name)
            scenario.figures.write(to: &json)
            json.endObject()
        }
        json.endArray()
        json.key("warnings")
        json.beginArray()
        for warning in warnings { json.value(warning) }
        json.endArray()
        json.endObject()
    }
}

extension WhatIfReport.Figures {
    fileprivate func write(to json: inout JSONWriter) {
        let seconds = [
            ("first_token_median", firstTokenMedian), ("first_token_p99", firstTokenP99),
            ("token_median", tokenMedian), ("token_p99", tokenP99),
        ]
        for (key, value) in seconds {
            json.key(key)
            if let value { json.value(value) } else { json.null() }
        }
        json.key("generated_tokens_per_second")
        json.value(generatedTokensPerSecond)
        json.key("preemptions")
        json.value(preemptionCount)
    }
}
