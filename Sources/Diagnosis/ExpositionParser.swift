// Prometheus text, as any server may send it, to values.

/// Reads text format 0.0.4, and OpenMetrics as far as its samples go: timestamps, exemplars and comments are skipped.
///
/// The text comes from another machine: whatever it holds, reading it takes time and memory in proportion to its size.
public struct ExpositionParser {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    /// Series of one metric follow each other, and so do names.
    private var lastName: (bytes: ArraySlice<UInt8>, text: String) = ([], "")

    /// Far more than one server has.
    static let maximumSeries = 200_000
    private static let maximumLabels = 64

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// - Parameter bytes: The whole text; who reads it from a network bounds its size.
    public static func parse(_ bytes: [UInt8]) throws(DiagnosisError) -> [SeriesValue] {
        var parser = ExpositionParser(bytes)
        var series: [SeriesValue] = []
        while let next = try parser.nextSeries() {
            guard series.count < maximumSeries else { throw .tooManySeries(limit: maximumSeries) }
            series.append(next)
        }
        return series
    }

    // MARK: - Lines

    private mutating func nextSeries() throws(DiagnosisError) -> SeriesValue? {
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\n"):
                position += 1
                line += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
            case UInt8(ascii: "#"): skipToLineEnd()
            default:
                let series = try parseSeries()
                skipToLineEnd()
                return series
            }
        }
        return nil
    }

    private mutating func parseSeries() throws(DiagnosisError) -> SeriesValue {
        let name = try parseName()
        skipSpaces()
        let labels = current == UInt8(ascii: "{") ? try parseLabels() : []
        skipSpaces()
        return SeriesValue(name: name, labels: labels, value: try parseValue())
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }
    private var malformed: DiagnosisError { .notAnExposition(line: line) }

    private mutating func skipSpaces() {
        while let byte = current, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { position += 1 }
    }

    private mutating func skipToLineEnd() {
        while let byte = current, byte != UInt8(ascii: "\n") { position += 1 }
    }

    // MARK: - Parts of a line

    private mutating func parseName() throws(DiagnosisError) -> String {
        let name = wordBytes()
        guard let first = name.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { throw malformed }
        if name == lastName.bytes { return lastName.text }
        lastName = (name, String(decoding: name, as: UTF8.self))
        return lastName.text
    }

    /// Letters, digits, underscores and colons from here on.
    private mutating func wordBytes() -> ArraySlice<UInt8> {
        let start = position
        while let byte = current, Self.isWord(byte) { position += 1 }
        return bytes[start..<position]
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: ":"): true
        default: false
        }
    }

    private mutating func parseLabels() throws(DiagnosisError) -> [SeriesLabel] {
        position += 1
        var labels: [SeriesLabel] = []
        while true {
            skipSpaces()
            if take("}") { return labels }
            let name = wordBytes()
            skipSpaces()
            guard !name.isEmpty, labels.count < Self.maximumLabels, take("=") else { throw malformed }
            skipSpaces()
            guard take("\"") else { throw malformed }
            labels.append(SeriesLabel(String(decoding: name, as: UTF8.self), try parseQuoted()))
            skipSpaces()
            guard take(",") || current == UInt8(ascii: "}") else { throw malformed }
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// A label's value up to its closing quote; the opening one is behind.
    private mutating func parseQuoted() throws(DiagnosisError) -> String {
        let start = position
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte != UInt8(ascii: "\n") {
            position += 1
        }
        var text = Array(bytes[start..<position])
        while let byte = current, byte != UInt8(ascii: "\n") {
            position += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
            guard byte == UInt8(ascii: "\\"), let escaped = current else {
                text.append(byte)
                continue
            }
            position += 1
            switch escaped {
            case UInt8(ascii: "n"): text.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): text.append(escaped)
            default: text += [byte, escaped]
            }
        }
        throw malformed
    }

    private mutating func parseValue() throws(DiagnosisError) -> Double {
        let start = position
        while let byte = current, byte > UInt8(ascii: " ") { position += 1 }
        guard let value = Self.number(String(decoding: bytes[start..<position], as: UTF8.self)) else { throw malformed }
        return value
    }

    /// A value as Prometheus writes it.
    static func number(_ text: String) -> Double? {
        switch text {
        case "+Inf", "Inf": .infinity
        case "-Inf": -.infinity
        case "NaN": .nan
        default: Double(text)
        }
    }
}
