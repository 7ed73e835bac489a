// The only door to the engine's thread.

import Dispatch
import Primitives
import Synchronization

/// What others ask of the engine.
enum Command: Sendable {
    case submit(Submission)
    case cancel(ticket: UInt64)
    case finish(ticket: UInt64, choice: Int, reason: FinishReason)
    /// Wants to know every sequence there is.
    case inspect(@Sendable ([SequenceStatistics]) -> Void)
}

struct Submission: Sendable {
    var request: EngineRequest
    var queue: EventQueue
    var queued: Instant
}

/// Commands, drained once a step; an idle engine sleeps here until one comes.
final class Mailbox: Sendable {
    private struct State {
        var commands: [Command] = []
        var nextTicket: UInt64 = 0
        /// When the engine has to end; set once it shuts down.
        var deadline: Instant?
        /// Since when the engine has slept; nil while it is awake.
        var asleepSince: Instant?
        /// All its sleep before that.
        var idleSeconds = 0.0
        var hasEnded = false
        var isFailing = false
        var heartbeat = Instant.now()
        var hasWork = false
        var endWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let alarm = DispatchSemaphore(value: 0)

    // MARK: - Everybody's end

    /// Puts a request in. Throws once the engine shuts down.
    func submit(_ request: EngineRequest) throws(EngineError) -> EventQueue {
        let queued = Instant.now()
        let (queue, mustWake) = state.withLock { state -> (EventQueue?, Bool) in
            guard state.deadline == nil, !state.hasEnded else { return (nil, false) }
            let queue = EventQueue(ticket: state.nextTicket, choiceCount: request.sampleCount, mailbox: self)
            state.nextTicket += 1
            state.commands.append(.submit(Submission(request: request, queue: queue, queued: queued)))
            return (queue, Self.takeAlarm(&state))
        }
        if mustWake { alarm.signal() }
        guard let queue else { throw .stopped }
        return queue
    }

    /// - Returns: false if the engine has ended, and the command was not taken.
    @discardableResult
    func post(_ command: Command) -> Bool {
        let (isTaken, mustWake) = state.withLock { state -> (Bool, Bool) in
            guard !state.hasEnded else { return (false, false) }
            state.commands.append(command)
            return (true, Self.takeAlarm(&state))
        }
        if mustWake { alarm.signal() }
        return isTaken
    }

    /// Refuses new work from now on and has the engine end at `deadline`, or as soon as its work is done.
    func shutDown(by deadline: Instant) {
        let mustWake = state.withLock { state in
            state.deadline = min(state.deadline ?? deadline, deadline)
            return Self.takeAlarm(&state)
        }
        if mustWake { alarm.signal() }
    }

    func waitForEnd() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.endWaiters.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }

    var status: EngineStatus {
        state.withLock { state in
            let phase: EngineStatus.Phase =
                if state.hasEnded { .stopped } else if state.deadline != nil { .draining } else if state.isFailing {
                    .failed
                } else { .running }
            let asleepSeconds = state.asleepSince.map { Instant.now().seconds(since: $0) } ?? 0
            return EngineStatus(
                phase: phase, heartbeat: state.heartbeat, hasWork: state.hasWork || !state.commands.isEmpty,
                idleSeconds: state.idleSeconds + asleepSeconds)
        }
    }

    private static func takeAlarm(_ state: inout State) -> Bool {
        guard let asleepSince = state.asleepSince else { return false }
        let now = Instant.now()
        state.asleepSince = nil
        state.idleSeconds += now.seconds(since: asleepSince)
        // Who has slept is not late.
        state.heartbeat = now
        return true
    }

    // MARK: - The engine's end

    /// Exchanges `commands` (empty) for those that came, sleeping until one does if there is no other work.
    ///
    /// - Returns: false if the engine has to end.
    func take(_ commands: inout [Command], hasWork: Bool, isFailing: Bool) -> Bool {
        while true {
            let goesOn = state.withLock { state -> Bool? in
                let now = Instant.now()
                state.heartbeat = now
                state.isFailing = isFailing
                swap(&state.commands, &commands)
                state.hasWork = hasWork || !commands.isEmpty
                if let deadline = state.deadline, deadline <= now || !state.hasWork { return false }
                if state.hasWork { return true }
                state.asleepSince = now
                return nil
            }
            if let goesOn { return goesOn }
            alarm.wait()
        }
    }

    /// Marks the thread as ended and wakes those who wait for it.
    func end() {
        let (waiters, commands) = state.withLock { state in
            state.hasEnded = true
            state.hasWork = false
            let left = (state.endWaiters, state.commands)
            state.endWaiters = []
            state.commands = []
            return left
        }
        for case .inspect(let answer) in commands {
            answer([])
        }
        for waiter in waiters {
            waiter.resume()
        }
    }
}
