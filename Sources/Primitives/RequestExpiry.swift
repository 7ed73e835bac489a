// Why a request was dropped, where nobody cancelled it and nothing failed.

public enum RequestExpiry: String, Sendable, CaseIterable {
    /// It waited too long to begin.
    case queueTime = "queue_time"
    /// What its client gave it for time was over.
    case deadline
}
