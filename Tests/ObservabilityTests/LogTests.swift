import Dispatch
import JSON
import Logging
import Observability
import Primitives
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("The log", .timeLimit(.minutes(1)))
struct LogTests {
    @Test("a line of JSON has time, level, logger, message and metadata, whatever is in them")
    func json() throws {
        let lines = try logged(as: .json) { logger in
            logger.info("ready \"now\"\n\u{1B}[31m", metadata: ["b": "1", "a": ["x", ["y": "z\u{0}"]]])
            logger.error("failed", error: Failure(), metadata: nil)
            logger.debug("not said")
        }
        #expect(lines.count == 2)
        let first = try JSONParser.parse(lines[0])
        #expect(first["level"] == "info" && first["logger"] == "test")
        #expect(first["message"] == "ready \"now\"\n\u{1B}[31m")
        #expect(first["metadata"]?["b"] == "1")
        #expect(first["metadata"]?["a"] == ["x", ["y": "z\u{0}"]])
        #expect(first["request_id"] == nil)
        let time = try #require(first["time"]?.stringValue)
        #expect(time.wholeMatch(of: /20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
        #expect(try JSONParser.parse(lines[1])["metadata"]?["error"] == "it broke")
    }

    @Test("a line of text is one line and shows no terminal a command")
    func text() throws {
        let lines = try logged(as: .text) { logger in
            logger.warning("a\nb\u{1B}[2J\u{9B}x\u{2028}", metadata: ["k": "two words", "q": "say \"so\"", "n": "3"])
        }
        #expect(lines.count == 1)
        #expect(
            lines[0].hasSuffix(
                #" warning test: a\nb\u{1b}[2J\u{9b}x\u{2028} k="two words" n=3 q="say \"so\"""#))
    }

    @Test("what is logged while a request is answered carries its ids", arguments: LogFormat.allCases)
    func requestIDs(format: LogFormat) async throws {
        let caller = TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        let identity = RequestIdentity(id: "abc", caller: caller)
        let output = try Output()
        let logger = output.logger(format)
        await identity.withContext {
            logger.info("inside", metadata: ["k": "v"])
            await Task { logger.info("in a child") }.value
        }
        logger.info("outside")
        let lines = output.lines()
        #expect(lines.count == 3)
        for line in lines.prefix(2) {
            switch format {
            case .json:
                let object = try JSONParser.parse(line)
                #expect(object["request_id"] == "abc")
                #expect(object["trace_id"] == "0af7651916cd43dd8448eb211c80319c")
                #expect(object["span_id"] == "b7ad6b7169203331")
            case .text:
                #expect(line.contains(" request_id=abc trace_id=0af7651916cd43dd8448eb211c80319c span_id="))
            }
        }
        #expect(!lines[2].contains("abc"))
    }

    @Test("what a client sent is cut before it fills the log")
    func longText() throws {
        let lines = try logged(as: .json) { logger in
            let long = String(repeating: "é", count: 100_000)
            logger.info("\(long)", metadata: ["k": "\(long)"])
        }
        #expect(lines[0].utf8.count < 10_000)
        #expect(try JSONParser.parse(lines[0])["message"]?.stringValue?.hasSuffix("…") == true)
    }

    @Test("a pipe that nobody reads holds nobody up: lines without room are dropped, counted and told of")
    func fullPipe() throws {
        let output = try Output(capacityBytes: 64 * 1024)
        let logger = output.logger(.text)
        // More than the pipe and the buffer hold together.
        let count = 20_000
        for number in 0..<count { logger.info("line \(number)") }
        let dropped = output.writer.droppedLineCount
        #expect(dropped > 0)
        #expect(!output.writer.flush(within: .milliseconds(10)))
        let lines = output.lines()
        #expect(lines.first?.hasSuffix("line 0") == true)
        // Where the pipe took some lines in between, in several places.
        let missing = lines.compactMap { line -> Int? in
            guard line.contains(" log lines are missing here") else { return nil }
            return line.split(separator: "warning pagoda: ").last?.split(separator: " ").first.flatMap { Int($0) }
        }
        #expect(missing.reduce(0, +) == dropped)
        #expect(lines.count { $0.contains(": line ") } == count - dropped)
    }

    @Test("lines for a reader that is gone are lost and counted, and nothing else happens")
    func closedPipe() throws {
        signal(SIGPIPE, SIG_IGN)
        let output = try Output()
        output.closeReader()
        output.logger(.text).info("into the void")
        #expect(output.writer.flush(within: .seconds(10)))
        #expect(output.writer.droppedLineCount == 1)
    }

    // MARK: -

    private struct Failure: Error, CustomStringConvertible {
        var description: String { "it broke" }
    }

    private func logged(as format: LogFormat, _ body: (Logger) -> Void) throws -> [String] {
        let output = try Output()
        body(output.logger(format))
        return output.lines()
    }
}

/// A log into a pipe.
private final class Output {
    let writer: LogWriter
    private let jsonWriter: LogWriter
    private let reader: Int32
    private let end: Int32
    private var openEnds: Set<Int32>

    init(capacityBytes: Int = 1 << 20) throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        (reader, end) = (ends[0], ends[1])
        openEnds = [reader, end]
        writer = LogWriter(.text, descriptor: end, capacityBytes: capacityBytes)
        jsonWriter = LogWriter(.json, descriptor: end, capacityBytes: capacityBytes)
    }

    deinit {
        for end in openEnds { close(end) }
    }

    private func shut(_ end: Int32) {
        if openEnds.remove(end) != nil { close(end) }
    }

    func closeReader() {
        shut(reader)
    }

    func logger(_ format: LogFormat) -> Logger {
        let writer = format == .json ? jsonWriter : writer
        return Logger(label: "test") { LineLogHandler(label: $0, level: .info, writer: writer) }
    }

    /// All that has been logged. Nobody reads before.
    func lines() -> [String] {
        let text = PipeText()
        let isRead = DispatchSemaphore(value: 0)
        DispatchQueue.global().async { [reader] in
            text.readAll(of: reader)
            isRead.signal()
        }
        for writer in [writer, jsonWriter] { writer.flush(within: .seconds(20)) }
        shut(end)
        isRead.wait()
        return text.lines
    }
}

private final class PipeText: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    var lines: [String] {
        bytes.withLock { String(decoding: $0, as: UTF8.self) }.split(separator: "\n").map { String($0) }
    }

    func readAll(of descriptor: Int32) {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return }
            bytes.withLock { $0 += chunk[..<count] }
        }
    }
}
