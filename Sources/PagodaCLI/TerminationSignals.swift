// SIGTERM and SIGINT: the first asks for a good end, the second for an immediate one. SIGHUP: read files anew.

internal import Dispatch
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Calls a closure at the first signal; a second one ends the process at once with 128 + its number.
final class TerminationSignals {
    private let sources: [any DispatchSourceSignal]

    init(onFirst: @escaping @Sendable () -> Void) {
        let count = SignalCount()
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                if count.next() > 1 { _exit(128 + number) }
                onFirst()
            }
            source.activate()
            return source
        }
    }

    /// Stops listening; the signals stay without effect.
    func stop() {
        for source in sources { source.cancel() }
    }
}

/// Calls a closure at each SIGHUP.
final class ReloadSignal {
    private let source: any DispatchSourceSignal

    init(_ reload: @escaping @Sendable () -> Void) {
        signal(SIGHUP, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
        source.setEventHandler { reload() }
        source.activate()
    }

    /// Stops listening; the signal stays without effect.
    func stop() {
        source.cancel()
    }
}

private final class SignalCount: Sendable {
    private let value = Atomic<Int>(0)

    func next() -> Int {
        value.wrappingAdd(1, ordering: .relaxed).newValue
    }
}
