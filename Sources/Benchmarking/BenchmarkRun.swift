// One measured run: what its steps say about prefill and decode.

public import Primitives
public import Workload

/// So many tokens in so much time.
public struct Rate: Sendable, Equatable {
    public var tokenCount: Int
    public var seconds: Double

    public init(tokenCount: Int = 0, seconds: Double = 0) {
        self.tokenCount = tokenCount
        self.seconds = seconds
    }

    /// Nil if nothing was measured.
    public var tokensPerSecond: Double? {
        tokenCount > 0 && seconds > 0 ? Double(tokenCount) / seconds : nil
    }
}

/// Requests that came at `startedAt` all at once, and the steps in which they were computed.
///
/// A step's time is that from the end of the step before (from `startedAt` for the first), so that nothing the engine
/// does between steps is left out.
public struct BenchmarkRun: Sendable, Equatable {
    public var startedAt: Instant
    public var steps: [StepTiming]
    /// Of all requests, each prompt once.
    public var promptTokenCount: Int
    /// Of all sequences.
    public var outputTokenCount: Int

    public init(startedAt: Instant, steps: [StepTiming], promptTokenCount: Int, outputTokenCount: Int) {
        self.startedAt = startedAt
        self.steps = steps
        self.promptTokenCount = promptTokenCount
        self.outputTokenCount = outputTokenCount
    }

    /// From the start to the end of the last step.
    public var elapsedSeconds: Double {
        steps.last?.endedAt.seconds(since: startedAt) ?? 0
    }

    public var preemptionCount: Int {
        steps.reduce(0) { $0 + $1.preemptionCount }
    }

    /// All prompts' tokens, over the time until the last prompt had its first token.
    public var untilLastFirstToken: Rate {
        guard let last = steps.last(where: { $0.firstTokenCount > 0 }) else { return Rate() }
        return Rate(tokenCount: promptTokenCount, seconds: last.endedAt.seconds(since: startedAt))
    }

    /// Tokens generated in steps that only decode, over the time of those steps.
    public var decodeSteps: Rate {
        rate(of: \.generatedTokenCount) { $0.prefillTokenCount == 0 }
    }

    /// Prompt tokens computed, over the time of the steps that computed any; other sequences decode in these as well.
    public var prefillSteps: Rate {
        rate(of: \.prefillTokenCount) { $0.prefillTokenCount > 0 }
    }

    /// What the steps computed, and what each took.
    public var stepSamples: [StepSample] {
        var before = startedAt
        return steps.map { step in
            defer { before = step.endedAt }
            return StepSample(
                sequenceCount: step.sequenceCount, prefillRowCount: step.prefillTokenCount,
                decodeRowCount: step.decodeTokenCount, logitRowCount: step.logitRowCount,
                attendedTokenCount: step.attendedTokenCount, contextTokenCount: step.contextTokenCount,
                seconds: step.endedAt.seconds(since: before))
        }
    }

    private func rate(of tokens: KeyPath<StepTiming, Int>, where isCounted: (StepTiming) -> Bool) -> Rate {
        var rate = Rate()
        var before = startedAt
        for step in steps {
            if isCounted(step) {
                rate.tokenCount += step[keyPath: tokens]
                rate.seconds += step.endedAt.seconds(since: before)
            }
            before = step.endedAt
        }
        return rate
    }
}
