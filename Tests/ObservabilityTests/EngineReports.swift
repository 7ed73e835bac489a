// What an engine reports, as tests want it.

import Engine
import EngineTesting
import Primitives

/// A sequence that came at 1 s, was queued at 1.25, scheduled at 1.5, had tokens from 2 to 4 and ended at 4.5.
func endedSequence(
    _ reason: FinishReason, request: UInt64 = 1, choice: Int = 0, of sampleCount: Int = 1, generated: Int = 5
) -> SequenceStatistics {
    SequenceStatistics(
        request: RequestID(request), choice: choice, reason: reason, promptTokenCount: 30,
        generatedTokenCount: generated, sampleCount: sampleCount, maximumTokens: 100, preemptionCount: 2,
        arrival: Instant(seconds: 1), queued: Instant(seconds: 1.25), scheduled: Instant(seconds: 1.5),
        firstToken: Instant(seconds: 2), lastToken: Instant(seconds: 4), finished: Instant(seconds: 4.5))
}

func reportedStep(_ change: (inout StepStatistics) -> Void) -> StepStatistics {
    var step = StepStatistics()
    step.blockCount = 100
    change(&step)
    return step
}
