// Programs that run beside a test: none is left behind.

import Foundation
import Synchronization

/// What `runBesideTest` started and `endNow` has not ended.
private let lasting = Mutex<[ObjectIdentifier: Process]>([:])

/// Tasks that a test cancelled may hold its server until the tests' own process ends, when no deinit runs any more.
private let endsThemAtExit: Void = {
    atexit {
        lasting.withLock {
            for process in $0.values where process.isRunning { kill(process.processIdentifier, SIGKILL) }
        }
    }
}()

extension Process {
    /// Starts a program that the test's objects end with `endNow`; whatever happens to these, it ends with the tests.
    func runBesideTest() throws {
        _ = endsThemAtExit
        try run()
        lasting.withLock { $0[ObjectIdentifier(self)] = self }
    }

    func endNow() {
        if isRunning { kill(processIdentifier, SIGKILL) }
        waitUntilExit()
        lasting.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(self)) }
    }
}
