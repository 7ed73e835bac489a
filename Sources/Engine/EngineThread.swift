// The operating-system thread an engine runs on.

import Glibc

/// A step blocks for milliseconds, which would starve Swift's cooperative pool: hence a thread of its own.
enum EngineThread {
    private static let stackBytes = 8 << 20

    private final class Body {
        private let name: String
        private let body: () -> Void

        init(name: String, _ body: @escaping () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            // Glibc shows Swift no call for this; without /proc the thread just keeps the program's name.
            if let file = fopen("/proc/thread-self/comm", "w") {
                fputs(name, file)
                fclose(file)
            }
            body()
        }
    }

    /// Runs `body` on a new thread with a name that `top -H` shows (at most 15 bytes).
    static func start(named name: String, _ body: sending @escaping () -> Void) throws(EngineError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let context = Unmanaged.passRetained(Body(name: name, body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { context in
                // The one reference made above; the thread owns it from here on.
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw .noThread(code: code)
        }
    }
}
