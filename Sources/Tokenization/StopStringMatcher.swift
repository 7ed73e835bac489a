// Finds the strings at which a generation shall end, while its text is still coming.

/// Watches text for stop strings and holds back only what may still become one.
///
/// The stop string that is completed first wins; of several completed by the same byte, the one that was listed first
/// (vLLM's `check_stop_strings`). Each appended byte costs a constant for each stop string: the matching is Knuth,
/// Morris and Pratt's.
public struct StopStringMatcher: Sendable {
    private struct Stop {
        let text: String
        let bytes: [UInt8]
        /// For each count of matched bytes, how many match still when the next one differs.
        let fallbacks: [Int]
        /// How many bytes at the end of the text so far are the beginning of this string.
        var matchedCount = 0

        init(_ text: String) {
            self.text = text
            let bytes = Array(text.utf8)
            var fallbacks = [0, 0]
            var matched = 0
            for byte in bytes.dropFirst() {
                while matched > 0, bytes[matched] != byte { matched = fallbacks[matched] }
                if bytes[matched] == byte { matched += 1 }
                fallbacks.append(matched)
            }
            self.bytes = bytes
            self.fallbacks = fallbacks
        }

        /// Whether `byte` completes the string.
        mutating func append(_ byte: UInt8) -> Bool {
            if matchedCount == bytes.count { matchedCount = fallbacks[matchedCount] }
            while matchedCount > 0, bytes[matchedCount] != byte { matchedCount = fallbacks[matchedCount] }
            if bytes[matchedCount] == byte { matchedCount += 1 }
            return matchedCount == bytes.count
        }

        /// How much of the end may still become this string.
        var partialCount: Int {
            matchedCount == bytes.count ? fallbacks[matchedCount] : matchedCount
        }
    }

    private var stops: [Stop]
    private let includesStop: Bool
    private var held: [UInt8] = []

    /// - Parameters:
    ///   - stops: the strings to look for; empty ones are ignored.
    ///   - includeStop: whether the string that was found is part of the text; then nothing needs to be held back.
    public init(stops: [String], includeStop: Bool) {
        self.stops = stops.filter { !$0.isEmpty }.map(Stop.init)
        includesStop = includeStop
    }

    /// Takes the next text and says what is certain to be part of the result.
    ///
    /// - Parameter searches: false while a stop string must not be completed yet (vLLM's `min_tokens`); one that began
    ///   before may be completed later.
    /// - Returns: text to emit, and the stop string if one was completed. After that the matcher has done its work:
    ///   the text ends there, and no more may be appended.
    public mutating func append(_ text: String, searches: Bool = true) -> (emit: String, matched: String?) {
        guard !stops.isEmpty else { return (text, nil) }
        for byte in text.utf8 {
            held.append(byte)
            var matched: Stop?
            for index in stops.indices {
                let isComplete = stops[index].append(byte)
                if isComplete, matched == nil { matched = stops[index] }
            }
            guard searches, let matched else { continue }
            let cut = includesStop ? held.count : held.count - matched.bytes.count
            defer { held.removeAll() }
            return (String(decoding: held[..<cut], as: UTF8.self), matched.text)
        }
        let partialCount = includesStop ? 0 : stops.reduce(0) { max($0, $1.partialCount) }
        let ready = held.count - min(partialCount, held.count)
        defer { held.removeFirst(ready) }
        return (String(decoding: held[..<ready], as: UTF8.self), nil)
    }

    /// The text held back that has not become a stop string.
    public mutating func finish() -> String {
        defer { held.removeAll() }
        return String(decoding: held, as: UTF8.self)
    }
}
