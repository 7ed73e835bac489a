// What a line of the log looks like, for people and for programs.

import JSON
import Logging

/// `--log-format`.
public enum LogFormat: String, Sendable, CaseIterable {
    /// Time, level, logger, message, then `key=value`.
    case text
    /// One object a line: `time`, `level`, `logger`, `message`, the request's ids if it is about one, `metadata`.
    case json

    /// Longer messages and values are cut: an error may quote what a client sent.
    static let longestText = 4096

    /// The line, with its end. It is one line whatever the record holds.
    func line(_ record: LogRecord) -> [UInt8] {
        var bytes =
            switch self {
            case .text: Self.textLine(record)
            case .json: Self.jsonLine(record)
            }
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    private static func textLine(_ record: LogRecord) -> [UInt8] {
        var text = "\(record.time.iso8601) \(record.level) \(record.logger): "
        text += PlainText.escaped(record.message)
        for (key, value) in record.sortedMetadata {
            text += " \(PlainText.escaped(key))=\(PlainText.quoted("\(value)"))"
        }
        return Array(text.utf8)
    }

    private static func jsonLine(_ record: LogRecord) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        func member(_ key: String, _ value: String) {
            writer.key(key)
            writer.value(value.cut(to: longestText))
        }
        member("time", record.time.iso8601)
        member("level", record.level.rawValue)
        member("logger", record.logger)
        member("message", record.message)
        var rest: [(key: String, value: Logger.MetadataValue)] = []
        for (key, value) in record.sortedMetadata {
            if RequestLogKey(rawValue: key) != nil { member(key, "\(value)") } else { rest.append((key, value)) }
        }
        if !rest.isEmpty {
            writer.key("metadata")
            writer.beginObject()
            for (key, value) in rest {
                writer.key(key)
                writer.value(value, depth: 0)
            }
            writer.endObject()
        }
        writer.endObject()
        return writer.bytes
    }
}

/// The keys of metadata that tell which request a line is about.
enum RequestLogKey: String, CaseIterable {
    case requestID = "request_id"
    case traceID = "trace_id"
    case spanID = "span_id"
}

struct LogRecord: Sendable {
    var time: WallTime
    var level: Logger.Level
    /// The label of the logger.
    var logger: String
    var message: String
    var metadata: Logger.Metadata = [:]

    /// The request's ids first, then by name.
    var sortedMetadata: [(key: String, value: Logger.MetadataValue)] {
        let first = RequestLogKey.allCases.compactMap { key in metadata[key.rawValue].map { (key.rawValue, $0) } }
        let rest = metadata.filter { RequestLogKey(rawValue: $0.key) == nil }.sorted { $0.key < $1.key }
        return first + rest.map { ($0.key, $0.value) }
    }
}

/// Text on a line of its own, which nothing in it can leave, and no terminal takes for commands.
private enum PlainText {
    static func escaped(_ text: String) -> String {
        let text = text.cut(to: LogFormat.longestText)
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where isControl(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Between quotes, if it would otherwise not read as one value.
    static func quoted(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F }
        guard !isPlain else { return escaped(text) }
        let inner = text.cut(to: LogFormat.longestText).split(separator: "\"", omittingEmptySubsequences: false)
        return "\"" + escaped(inner.joined(separator: "\\\"")) + "\""
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            || scalar == "\u{2028}" || scalar == "\u{2029}"
    }
}

extension String {
    /// The first `count` bytes or a few less, so that no character is broken.
    fileprivate func cut(to count: Int) -> String {
        guard utf8.count > count else { return self }
        return String(decoding: utf8.prefix(count), as: UTF8.self) + "…"
    }
}

extension JSONWriter {
    private static let deepestMetadata = 8

    fileprivate mutating func value(_ value: Logger.MetadataValue, depth: Int) {
        switch value {
        case .array(let elements) where depth < Self.deepestMetadata:
            beginArray()
            for element in elements { self.value(element, depth: depth + 1) }
            endArray()
        case .dictionary(let members) where depth < Self.deepestMetadata:
            beginObject()
            for (key, member) in members.sorted(by: { $0.key < $1.key }) {
                self.key(key)
                self.value(member, depth: depth + 1)
            }
            endObject()
        default:
            self.value("\(value)".cut(to: LogFormat.longestText))
        }
    }
}
