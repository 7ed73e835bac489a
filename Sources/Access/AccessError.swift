// What is wrong with the files and settings that say who may come in.

/// No case holds a secret: a description may be logged.
public enum AccessError: Error, Equatable, CustomStringConvertible {
    case unreadable(file: String, reason: String)
    /// - Parameter line: From 1; 0: the file as a whole.
    case malformed(file: String, line: Int, problem: String)
    case contradiction(String)

    public var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file) can't be read: \(reason)."
        case .malformed(let file, let line, let problem):
            line > 0 ? "\(file), line \(line): \(problem)." : "\(file): \(problem)."
        case .contradiction(let sentence): sentence
        }
    }
}
