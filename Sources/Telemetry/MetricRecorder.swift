// Values of series as one thread changes them, and how any thread copies them meanwhile.

import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What one thread at a time adds to the series of a registry, waiting for nobody.
///
/// Each value is one word, an atomic: the version tells a reader whether the words that it copied belong together
/// (a sequence lock), and writing is plain stores. All words exist from the start, so that nothing moves under the
/// writer when series are registered.
public final class MetricRecorder: Sendable {
    private final class Chunk: Sendable {
        static let wordCount = 1024
        let words = InlineArray<1024, Atomic<UInt64>> { _ in Atomic(0) }
    }

    /// Words of a recorder, and so of all series of a registry: 512 KiB.
    static let capacity = 64 * Chunk.wordCount

    private let chunks = (0..<MetricRecorder.capacity / Chunk.wordCount).map { _ in Chunk() }
    /// Odd while the writer is at work.
    private let version = Atomic<UInt64>(0)
    /// Milliseconds since the epoch, for exemplars.
    let wallClock: @Sendable () -> Int64

    init(wallClock: @escaping @Sendable () -> Int64) {
        self.wallClock = wallClock
    }

    /// Changes values; what `body` does is seen by a scrape as a whole or not at all. Must be short, since scrapes wait
    /// for it. Two threads must not be in here at the same time: values would be lost.
    public func update(_ body: (inout MetricValues) -> Void) {
        let before = version.load(ordering: .relaxed)
        version.store(before &+ 1, ordering: .relaxed)
        // No value is written before the version is odd.
        atomicMemoryFence(ordering: .releasing)
        var values = MetricValues(recorder: self)
        body(&values)
        version.store(before &+ 2, ordering: .releasing)
    }

    // MARK: - Words

    @inline(__always)
    func word(at slot: Int) -> UInt64 {
        chunks[slot / Chunk.wordCount].words[slot % Chunk.wordCount].load(ordering: .relaxed)
    }

    @inline(__always)
    func setWord(at slot: Int, to word: UInt64) {
        chunks[slot / Chunk.wordCount].words[slot % Chunk.wordCount].store(word, ordering: .relaxed)
    }

    /// Copies the first words of each recorder, all as they are at one moment.
    static func copy(_ recorders: [MetricRecorder], into copies: inout [[UInt64]]) {
        while true {
            let versions = recorders.map { $0.version.load(ordering: .acquiring) }
            if versions.allSatisfy({ $0.isMultiple(of: 2) }) {
                for (index, recorder) in recorders.enumerated() { recorder.copyWords(into: &copies[index]) }
                // All is read before the versions are read again.
                atomicMemoryFence(ordering: .acquiring)
                if versions == recorders.map({ $0.version.load(ordering: .relaxed) }) { return }
            }
            sched_yield()
        }
    }

    private func copyWords(into copy: inout [UInt64]) {
        var target = copy.mutableSpan
        var start = 0
        for chunk in chunks where start < target.count {
            let count = min(Chunk.wordCount, target.count - start)
            for index in 0..<count { target[start + index] = chunk.words[index].load(ordering: .relaxed) }
            start += count
        }
    }
}
