// How much of a prompt a step may compute beside running streams.

public import Scheduling

/// Bounds the prompts' rows of a step by what they cost the streams in it: with them it is to take at most `slowdown`
/// times as long as without.
///
/// Where more than one prompt waits, they get more: whoever waits for a first token counts as much as whoever waits for
/// the next one. Otherwise a burst of requests would crawl behind the first few that have become streams.
///
/// What steps take is learned from those that went by: a prompt's row in seconds, and decoding alone by the number of
/// sequences, in powers of two. It decides when a prompt is computed, never what comes out.
public struct PrefillPacer: Sendable {
    /// 1 or less: no bound.
    public let slowdown: Double
    private var rowSeconds: Double?
    /// At index i: steps of more than 2^(i-1) and at most 2^i decoding sequences.
    private var decodeSeconds: [Double?] = Array(repeating: nil, count: 32)

    /// Kernels take rows by so many: a step's rows are a multiple of it, and prompts always get that many.
    private static let tile = 16
    /// Rows, as long as nothing is known of what one takes.
    private static let firstRows = 64
    /// What a crowd of prompts may take of a step: streams keep their ten tokens a second.
    private static let crowdSeconds = 0.1
    /// What prompts that give way may take of a step, since somebody urgent may come while it is under way; but at
    /// least so many rows, below which weights are read for too little work.
    private static let yieldingSeconds = 0.05
    private static let yieldingRows = 64

    public init(slowdown: Double) {
        self.slowdown = slowdown
    }

    /// Rows for prompts in a step with `count` decoding sequences; nil: as many as it has left.
    ///
    /// - Parameter promptCount: Prompts that could be computed in it.
    public func rows(besideDecodes count: Int, prompts promptCount: Int = 1) -> Int? {
        guard slowdown > 1, count > 0 else { return nil }
        guard let rowSeconds else { return Self.firstRows }
        let alone = (slowdown - 1) * decodeSeconds(of: count)
        let crowd = alone * (1 + Double(max(0, promptCount - 1)) / Double(count))
        let rows = max(alone, min(crowd, Self.crowdSeconds)) / rowSeconds
        guard rows < Double(Int32.max) else { return nil }
        return max(Self.tile, (count + Int(rows)) / Self.tile * Self.tile - count)
    }

    /// What prompts may have of the next step of `scheduler`.
    public func allowance(in scheduler: borrowing Scheduler) -> PrefillAllowance {
        allowance(
            besideDecodes: scheduler.decodingCount, urgent: scheduler.urgentDecodingCount,
            prompts: scheduler.pendingPromptCount)
    }

    /// Rows where some sequences give way to others.
    ///
    /// Urgent prompts are not slowed down for streams that give way to them. The others' prompts keep to what all
    /// streams bear, and to short steps where there are no streams, too.
    ///
    /// - Parameters:
    ///   - urgentCount: Of the decoding sequences, those that give way to nobody; nil: nobody gives way.
    ///   - promptCount: Prompts that could be computed in the step.
    public func allowance(
        besideDecodes count: Int, urgent urgentCount: Int?, prompts promptCount: Int = 1
    ) -> PrefillAllowance {
        let rows = rows(besideDecodes: count, prompts: promptCount)
        guard slowdown > 1, let urgentCount else { return PrefillAllowance(rows: rows) }
        let most = self.rows(besideDecodes: urgentCount, prompts: promptCount).map { max($0, rows ?? $0) }
        return PrefillAllowance(rows: most, yieldingRows: min(rows ?? .max, shortStepRows))
    }

    private var shortStepRows: Int {
        guard let rowSeconds else { return Self.firstRows }
        let rows = Self.yieldingSeconds / rowSeconds
        guard rows < Double(Int32.max) else { return Int(Int32.max) }
        return max(Self.yieldingRows, Int(rows) / Self.tile * Self.tile)
    }

    /// A step with so many rows of prompts and of decoding sequences took `seconds`.
    public mutating func note(prefillRows: Int, decodeRows: Int, seconds: Double) {
        if prefillRows == 0 {
            guard decodeRows > 0 else { return }
            let index = Self.index(of: decodeRows)
            decodeSeconds[index] = decodeSeconds[index].map { $0 + (seconds - $0) / 8 } ?? seconds
        } else if prefillRows >= Self.tile {
            let own = max(0, seconds - decodeSeconds(of: decodeRows)) / Double(prefillRows)
            // A step that the prompt had for itself says more than one in which it is a small part.
            let weight = min(0.5, max(1.0 / 16, Double(prefillRows) / 512))
            rowSeconds = rowSeconds.map { $0 + (own - $0) * weight } ?? own
        }
    }

    /// What a step of `count` decoding sequences and nothing else takes: at least what as many rows of prompts do.
    private func decodeSeconds(of count: Int) -> Double {
        guard count > 0 else { return 0 }
        let index = Self.index(of: count)
        let known = decodeSeconds[...index].compactMap { $0 }.last ?? decodeSeconds[index...].compactMap { $0 }.first
        return max(known ?? 0, Double(count) * (rowSeconds ?? 0))
    }

    private static func index(of count: Int) -> Int {
        min(31, Int.bitWidth - (count - 1).leadingZeroBitCount)
    }
}
