// Why a load test can't be run, in a sentence that says what to write instead.

/// What is wrong with a load test's options, its dataset or its server. Failed requests are no errors: they count.
public enum LoadTestError: Error, Equatable, Sendable, CustomStringConvertible {
    case unsupported(option: String, value: String, supported: [String])
    case invalidOption(name: String, value: String, allowed: String)
    /// A line of a dataset file, counted from 1.
    case invalidDataset(line: Int, reason: String)
    case emptyDataset
    /// What only some answer of the server could have told.
    case server(url: String, reason: String)
    case notReady(reason: String)

    public var description: String {
        switch self {
        case .unsupported(let option, let value, let supported):
            "--\(option) \(value) is not supported; supported are \(supported.joined(separator: ", "))."
        case .invalidOption(let name, let value, let allowed):
            "--\(name) \(value) is not possible; allowed is \(allowed)."
        case .invalidDataset(let line, let reason):
            "Line \(line) of the dataset \(reason)."
        case .emptyDataset:
            "The dataset has no prompt: give a JSONL file whose lines are like {\"prompt\": \"…\"}."
        case .server(let url, let reason):
            "\(url) did not help: \(reason). Is the server running, and is the address right?"
        case .notReady(let reason):
            "Initial test run failed - Please make sure benchmark arguments are correctly specified. Error: \(reason)"
        }
    }
}
