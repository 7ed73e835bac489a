// How the engine is, for health checks.

public import Primitives

public struct EngineStatus: Sendable, Equatable {
    public enum Phase: String, Sendable {
        case running
        /// Finishing what it has; refuses new work.
        case draining
        case stopped
        /// Several steps in a row could not be computed; it goes on trying.
        case failed
    }

    public var phase: Phase
    /// When the engine's thread last came round. Old, with work pending: it is stuck.
    public var heartbeat: Instant
    /// Something is running, queued or just submitted.
    public var hasWork: Bool
    /// Seconds that the engine has slept since it began, for want of work; up to now, if it sleeps now.
    public var idleSeconds: Double
}
