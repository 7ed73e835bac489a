// Where what a server has to say goes: log lines, spans, timelines.

internal import Engine
internal import Logging
internal import Observability

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// What `serve` sets up before its server, and closes after it.
struct ServeObservation {
    let log: LogWriter
    let spans = SpanQueue()
    /// Nil: nobody asks for what it would see, and nothing is spent on it.
    let journal: RequestJournal?
    /// Always on, so that a server can be asked what other settings would do without being started anew.
    let recorder = WorkloadRecorder()
    let logger: Logger
    private let exporter: SpanExporter?

    private static let exportTimeout = Duration.seconds(3)
    private static let flushTimeout = Duration.seconds(1)

    /// From here on everything in the process logs as the options say.
    init(log options: LogOptions, traces: TraceOptions) throws(CommandError) {
        let writer = LogWriter(try options.format())
        let level = try options.level()
        let export = try traces.exporter(environment: environmentVariable)
        // Whoever reads the log may go away; that must not end the server.
        signal(SIGPIPE, SIG_IGN)
        LoggingSystem.bootstrap { LineLogHandler(label: $0, level: level, writer: writer) }
        log = writer
        logger = Logger(label: "pagoda")

        var journal = RequestJournal.Configuration()
        if let export {
            journal.tracer = OTLPTracer(sampler: traces.sampler, queue: spans)
            exporter = SpanExporter(export, queue: spans, logger: logger)
        } else {
            exporter = nil
        }
        journal.accessLevel = options.enableLogRequests ? .info : .debug
        if journal.accessLevel >= level { journal.logger = logger }
        let isWanted = traces.enableDebugEndpoints || journal.tracer != nil || journal.logger != nil
        self.journal = isWanted ? RequestJournal(journal) : nil
    }

    /// Tells the recorder and the journal, too, what the engine reports.
    func observer(beside metrics: any EngineObserver) -> any EngineObserver {
        var observers: [any EngineObserver] = [metrics, recorder]
        if let journal { observers.append(journal) }
        return EngineObservers(observers)
    }

    /// Sends the last spans and writes the last lines, as long as it does not take long.
    func close() async {
        await journal?.settle()
        await exporter?.shutDown(within: Self.exportTimeout)
        log.flush(within: Self.flushTimeout)
    }
}
