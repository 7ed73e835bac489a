// Why a server's metrics can't be read.

/// What is wrong with the text that was to be diagnosed.
public enum DiagnosisError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A line is neither a sample nor a comment.
    case notAnExposition(line: Int)
    case tooManySeries(limit: Int)
    /// The text is a proper exposition, of something else than an LLM server.
    case notAnLLMServer
    /// Not what Prometheus' HTTP API answers.
    case notPrometheus(reason: String)
    /// Prometheus knows nothing of the kind in that range.
    case noSamples
    /// A diagnosis is of one server.
    case severalServers([String])
    case unknownRange(String)

    public var description: String {
        switch self {
        case .notAnExposition(let line):
            "Line \(line) of the answer is no Prometheus metric; give the address of a server's metrics."
        case .tooManySeries(let limit):
            "The answer has more than \(limit) series; give the address of one server's metrics."
        case .notAnLLMServer:
            "There are no metrics of Pagoda or vLLM there; give the address of a server's metrics."
        case .notPrometheus(let reason):
            "This is not Prometheus' HTTP API (\(reason)); give its base address, such as http://localhost:9090."
        case .noSamples:
            "Prometheus has fewer than two samples of a server in this range; give a longer --range."
        case .severalServers(let instances):
            "Prometheus scrapes several servers; name one with --instance: \(instances.joined(separator: ", "))."
        case .unknownRange(let text):
            "'\(text)' is no length of time; write 30s, 5m, 2h or 1d."
        }
    }
}
