// swift-log's side of the log.

public import Logging
import Tracing

/// Gives what is logged to a `LogWriter`, with the ids of the request in whose task it is logged.
public struct LineLogHandler: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let writer: LogWriter

    public init(label: String, level: Logger.Level, writer: LogWriter) {
        self.label = label
        self.writer = writer
        logLevel = level
        metadataProvider = .request
    }

    public subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let explicit = event.metadata { all.merge(explicit) { $1 } }
        if let error = event.error { all["error"] = "\(error)" }
        writer.append(
            LogRecord(
                time: .now(), level: event.level, logger: label, message: event.message.description, metadata: all))
    }
}

extension Logger.MetadataProvider {
    /// The ids of the request that the current task answers.
    public static let request = Logger.MetadataProvider {
        guard let identity = InstrumentationContext.current?.requestIdentity else { return [:] }
        return identity.logMetadata
    }
}
