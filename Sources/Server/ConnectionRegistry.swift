// All open connections, and what they hold together.

import NIOCore
import Synchronization

/// Counts connections and their buffered bytes against the limits, knows which are idle, and closes them at the end.
final class ConnectionRegistry: Sendable {
    private struct State {
        var open: [ObjectIdentifier: any Channel] = [:]
        var idle: Set<ObjectIdentifier> = []
        var bufferedBytes = 0
        var isDraining = false
        var isClosing = false
    }

    private let limits: ConnectionLimits
    private let state = Mutex(State())

    init(limits: ConnectionLimits) {
        self.limits = limits
    }

    // MARK: - Connections

    /// Notes a new connection. At the limit an idle one makes room for it; false if there is none.
    func admit(_ channel: any Channel) -> Bool {
        let (isAdmitted, evicted) = state.withLock { state -> (Bool, (any Channel)?) in
            guard !state.isClosing else { return (false, nil) }
            var evicted: (any Channel)?
            if state.open.count >= limits.count {
                guard let idle = state.idle.popFirst() else { return (false, nil) }
                evicted = state.open.removeValue(forKey: idle)
            }
            state.open[ObjectIdentifier(channel)] = channel
            return (true, evicted)
        }
        evicted?.close(promise: nil)
        return isAdmitted
    }

    /// Tells whether a connection could be closed without harm: it waits for a request, or for the client to close it.
    func note(_ channel: any Channel, isIdle: Bool) {
        state.withLock { state in
            let id = ObjectIdentifier(channel)
            if isIdle, state.open[id] != nil { state.idle.insert(id) } else { state.idle.remove(id) }
        }
    }

    func remove(_ channel: any Channel) {
        state.withLock { state in
            state.open[ObjectIdentifier(channel)] = nil
            state.idle.remove(ObjectIdentifier(channel))
        }
    }

    var openCount: Int { state.withLock { $0.open.count } }
    /// Those that read a request or write a response.
    var busyCount: Int { state.withLock { $0.open.count - $0.idle.count } }
    /// Whether each connection is to be closed after its next response.
    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Closes the connections that wait for a request; the others may finish theirs.
    func drain() {
        let channels = state.withLock { state in
            state.isDraining = true
            return state.idle.compactMap { state.open[$0] }
        }
        for channel in channels { channel.close(promise: nil) }
    }

    /// Closes all connections and admits no more.
    func closeAll() {
        let channels = state.withLock { state in
            state.isClosing = true
            return Array(state.open.values)
        }
        for channel in channels { channel.close(promise: nil) }
    }

    // MARK: - Buffered bytes

    /// Takes `count` bytes of the common budget; false if there aren't as many.
    func reserve(_ count: Int) -> Bool {
        state.withLock { state in
            guard count <= limits.bufferedBytes - state.bufferedBytes else { return false }
            state.bufferedBytes += count
            return true
        }
    }

    func release(_ count: Int) {
        state.withLock { $0.bufferedBytes -= count }
    }
}
