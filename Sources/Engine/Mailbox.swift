// The only door to the engine's thread.

import Dispatch
import Primitives
import Synchronization

/// What others ask of the engine.
enum Command: Sendable {
    case submit(Submission)
    case cancel(ticket: UInt64)
    case finish(ticket: UInt64, choice: Int, reason: FinishReason)
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
        var isAsleep = false
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

    func post(_ command: Command) {
        let mustWake = state.withLock { state in
            guard !state.hasEnded else { return false }
            state.commands.append(command)
            return Self.takeAlarm(&state)
        }
        if mustWake { alarm.signal() }
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
            return EngineStatus(
                phase: phase, heartbeat: state.heartbeat, hasWork: state.hasWork || !state.commands.isEmpty)
        }
    }

    private static func takeAlarm(_ state: inout State) -> Bool {
        let wasAsleep = state.isAsleep
        state.isAsleep = false
        // Who has slept is not late.
        if wasAsleep { state.heartbeat = .now() }
        return wasAsleep
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
                state.isAsleep = true
                return nil
            }
            if let goesOn { return goesOn }
            alarm.wait()
        }
    }

    /// Marks the thread as ended and wakes those who wait for it.
    func end() {
        let waiters = state.withLock { state in
            state.hasEnded = true
            state.hasWork = false
            let waiters = state.endWaiters
            state.endWaiters = []
            state.commands = []
            return waiters
        }
        for waiter in waiters {
            waiter.resume()
        }
    }
}
