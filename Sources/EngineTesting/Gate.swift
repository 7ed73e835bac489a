// Stops an engine's thread where a test wants it.

import Dispatch
import Synchronization

/// Holds the engine before its steps until a test lets it go; give `pass` to `ScriptedExecutor.Configuration`.
public final class Gate: Sendable {
    private let isOpen = Mutex(false)
    private let permits = DispatchSemaphore(value: 0)
    private let arrivals = DispatchSemaphore(value: 0)

    public init() {}

    /// Called by the engine's thread: waits for a permit, unless the gate is open.
    public func pass() {
        arrivals.signal()
        if !isOpen.withLock({ $0 }) { permits.wait() }
    }

    /// Waits until the engine stands at the gate.
    public func waitForArrival() async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { [arrivals] in
                arrivals.wait()
                continuation.resume()
            }
        }
    }

    /// Lets one step through.
    public func letOneThrough() {
        permits.signal()
    }

    /// Lets this and all later steps through.
    public func open() {
        isOpen.withLock { $0 = true }
        permits.signal()
    }
}
