// Records whose figures can be computed by hand.

import LoadTesting
import Primitives

enum Examples {
    /// Seconds since some moment; times that binary fractions hold exactly.
    static func record(
        start: Double, firstToken: Double, gaps: [Double], prompt: Int, output: Int?, queue: Double = 0
    ) -> RequestRecord {
        var record = RequestRecord(
            start: Instant(nanoseconds: 1_000_000_000_000 + Int64(start * 1e9)), promptTokenCount: prompt)
        record.timeToFirstToken = firstToken
        record.interTokenLatencies = gaps
        record.latency = firstToken + gaps.reduce(0, +)
        record.outputTokenCount = output
        record.queueTime = queue
        return record
    }

    /// Four requests in four seconds, the third of which failed.
    static var run: LoadTestRun {
        var failed = RequestRecord(start: Instant(nanoseconds: 1_001_000_000_000), promptTokenCount: 1000)
        failed.error = "500 Internal Server Error"
        var first = record(start: 0, firstToken: 0.5, gaps: [0.25, 0.25, 0.25, 0.25], prompt: 10, output: 5)
        first.text = "Grüße"
        return LoadTestRun(
            records: [
                first, record(start: 0.5, firstToken: 0.25, gaps: [0.5, 0.5], prompt: 20, output: 3), failed,
                record(start: 2, firstToken: 1, gaps: [], prompt: 30, output: 1, queue: 0.75),
            ], durationSeconds: 4)
    }
}

/// Each character is a token, its Unicode scalar the id; the server is said to add one token.
struct LetterTokenizer: PromptTokenizer {
    let ordinaryTokenIDs = Array(97..<123)
    let addedTokenCount = 1

    func decode(_ tokens: [Int]) -> String {
        String(String.UnicodeScalarView(tokens.compactMap { UInt32(exactly: $0).flatMap(Unicode.Scalar.init) }))
    }

    func encode(_ text: String) -> [Int] {
        text.unicodeScalars.map { Int($0.value) }
    }
}
