// The line of the log that tells of a finished request.

import Engine
import Logging
import Primitives

extension RequestTimeline {
    /// Ids, endpoint, status, tokens and times; nothing of what was said.
    func log(to logger: Logger, at level: Logger.Level) {
        guard level >= logger.logLevel else { return }
        var metadata = identity.logMetadata
        metadata["endpoint"] = "\(subject.endpoint)"
        if let client = identity.client {
            metadata["client"] = "\(client)"
            metadata["tenant"] = "\(identity.tenant)"
        }
        if let answer {
            metadata["status"] = "\(answer.status)"
            metadata["outcome"] = "\(answer.outcome.rawValue)"
        }
        metadata["prompt_tokens"] = "\(promptTokenCount)"
        metadata["generated_tokens"] = "\(summary.generatedTokenCount)"
        if summary.cachedTokenCount > 0 { metadata["cached_tokens"] = "\(summary.cachedTokenCount)" }
        if summary.preemptionCount > 0 { metadata["preemptions"] = "\(summary.preemptionCount)" }
        if let reason = summary.reason { metadata["finish_reason"] = "\(reason.rawValue)" }
        if let firstToken = summary.firstToken { metadata["ttft_seconds"] = Self.seconds(firstToken, subject.arrival) }
        if let end { metadata["total_seconds"] = Self.seconds(end, subject.arrival) }
        logger.log(level: level, "request finished", metadata: metadata)
    }

    /// To the microsecond.
    private static func seconds(_ moment: Instant, _ start: Instant) -> Logger.MetadataValue {
        "\((moment.seconds(since: start) * 1e6).rounded() / 1e6)"
    }
}
