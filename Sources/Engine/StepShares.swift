// How a step's time is shared between the prompts and the decoding sequences in it.

import Primitives

/// What a step's time was spent on, as every sequence in it sees it.
struct StepShares {
    /// When the step was planned and when its tokens were drawn; when the tokens of the step before were.
    let started: Instant
    let ended: Instant
    let previousEnd: Instant
    /// Nanoseconds that the step would not have taken without its prompts' rows.
    let prefillTime: Int64
    let prefillRows: Int

    /// The time due to the prompts of others than the one with `ownRows`.
    func othersPrefillTime(ownRows: Int) -> Int64 {
        guard prefillRows > 0 else { return 0 }
        return Int64(Double(prefillTime) * (Double(max(0, prefillRows - ownRows)) / Double(prefillRows)))
    }
}

/// Splits the time of steps between prompts and decoding sequences.
///
/// Small steps are bound by reading the weights, whatever the number of rows, so that a share by rows would charge
/// prompts for what decoding alone had cost as well: decoding is charged what steps without prompts lately took.
struct StepShareEstimator {
    private var decodeStepTime: Int64?
    private var previousEnd = Instant(nanoseconds: 0)

    mutating func shares(started: Instant, ended: Instant, prefillRows: Int, decodeRows: Int) -> StepShares {
        let time = max(0, ended.nanoseconds &- started.nanoseconds)
        var decodeTime: Int64 = 0
        if prefillRows == 0 {
            decodeStepTime = decodeStepTime.map { $0 + (time - $0) / 8 } ?? time
            decodeTime = time
        } else if decodeRows > 0 {
            let share = Int64(Double(time) * (Double(decodeRows) / Double(prefillRows + decodeRows)))
            decodeTime = min(time, max(share, decodeStepTime ?? 0))
        }
        defer { previousEnd = ended }
        return StepShares(
            started: started, ended: ended, previousEnd: previousEnd, prefillTime: time - decodeTime,
            prefillRows: prefillRows)
    }
}
