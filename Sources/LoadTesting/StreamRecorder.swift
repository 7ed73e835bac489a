// Turns a response, as it comes in, into the record of a request.

internal import JSON
internal import Primitives

/// Splits a stream of server-sent events and notes when its chunks came. Knows no network: it is told bytes and times.
struct StreamRecorder: Sendable {
    private var record: RequestRecord
    private var status = 200
    private var reason = ""
    /// What has come and is not a whole line yet; with another status than 200, the beginning of the body.
    private var pending: [UInt8] = []
    /// The generated text, as escaped in JSON: made a string once the request is over.
    private var escapedText: [UInt8] = []
    private var lastChunk: Instant?
    private var isDone = false

    /// A chunk is a few hundred bytes; a line beyond this is no chunk.
    private static let longestLineBytes = 16 << 20
    /// As much of a refusal as helps to understand it.
    private static let longestErrorBytes = 1 << 10

    init(start: Instant, promptTokenCount: Int) {
        record = RequestRecord(start: start, promptTokenCount: promptTokenCount)
    }

    mutating func receiveHead(status: Int, reason: String) {
        self.status = status
        self.reason = reason
    }

    mutating func receive(_ bytes: some Sequence<UInt8>, now: () -> Instant = Instant.now) {
        guard status == 200 else {
            pending += bytes.prefix(Self.longestErrorBytes - pending.count)
            return
        }
        guard !isDone, record.error == nil else { return }
        pending += bytes
        var lineStart = 0
        while let lineEnd = pending[lineStart...].firstIndex(of: UInt8(ascii: "\n")) {
            readLine(lineStart..<lineEnd, now: now)
            lineStart = lineEnd + 1
        }
        pending.removeFirst(lineStart)
        if pending.count > Self.longestLineBytes { fail("A line of the stream is longer than 16 MiB") }
    }

    /// The record once the response is over, or broken off with `error`.
    mutating func finish(error: String?, now: () -> Instant = Instant.now) -> RequestRecord {
        if status != 200 {
            let body = String(decoding: pending, as: UTF8.self)
            fail("\(status) \(reason)" + (body.isEmpty ? "" : ": \(body)"))
        } else if !isDone, record.error == nil {
            if error == nil { readLine(0..<pending.count, now: now) }
            // Some servers hang up before the response's own end; after [DONE] nothing is missing.
            if !isDone { fail(error ?? "The stream ended without [DONE]") }
        }
        if lastChunk == nil { fail("The stream had no chunk with a choice") }
        record.text = Self.unescaped(escapedText)
        return record
    }

    // MARK: - Lines

    private mutating func readLine(_ range: Range<Int>, now: () -> Instant) {
        var end = range.upperBound
        if end > range.lowerBound, pending[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        let name = "data:".utf8
        guard end - range.lowerBound >= name.count, pending[range.lowerBound...].starts(with: name) else { return }
        var start = range.lowerBound + name.count
        if start < end, pending[start] == UInt8(ascii: " ") { start += 1 }
        guard start < end else { return }
        if pending[start..<end].elementsEqual("[DONE]".utf8) {
            isDone = true
        } else {
            readChunk(start..<end, at: now())
        }
    }

    private mutating func readChunk(_ range: Range<Int>, at time: Instant) {
        guard record.error == nil, !isDone else { return }
        guard let chunk = ChunkScanner.scan(pending, range) else {
            fail("A chunk is not JSON: \(excerpt(range))")
            return
        }
        guard !chunk.hasError else {
            fail("The server broke off with \(excerpt(range))")
            return
        }
        if let count = chunk.promptTokenCount { record.promptTokenCount = count }
        if let count = chunk.completionTokenCount { record.outputTokenCount = count }
        guard chunk.hasChoice else { return }
        if let lastChunk {
            record.interTokenLatencies.append(time.seconds(since: lastChunk))
        } else {
            record.timeToFirstToken = time.seconds(since: record.start)
        }
        record.latency = time.seconds(since: record.start)
        lastChunk = time
        if let text = chunk.text { escapedText += pending[text] }
    }

    private mutating func fail(_ reason: String) {
        if record.error == nil { record.error = reason }
    }

    private func excerpt(_ range: Range<Int>) -> String {
        String(decoding: pending[range].prefix(Self.longestErrorBytes), as: UTF8.self)
    }

    /// Escapes of one character may lie in two chunks, so that the whole is unescaped and no part of it.
    private static func unescaped(_ bytes: [UInt8]) -> String {
        let quote = UInt8(ascii: "\"")
        let value = try? JSONParser.parse([quote] + bytes + [quote])
        return value?.stringValue ?? String(decoding: bytes, as: UTF8.self)
    }
}
