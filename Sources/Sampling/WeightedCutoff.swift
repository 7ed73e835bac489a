// Finds where a falling order must be cut, without sorting.

/// A value to order by and what it weighs.
struct WeightedValue: Sendable {
    var value: Float
    var weight: Float
}

/// A cut through values in falling order: what is above `value` stays, and `equalCount` of those equal to it.
struct WeightedCutoff: Sendable, Equatable {
    var value: Float
    var equalCount: Int

    /// The shortest head of `entries` in falling order whose weights reach `target`; at least one entry, all of them if
    /// their weights don't reach it. Equal values weigh the same. `entries` is reordered.
    ///
    /// Quickselect by weight with three-way partition: linear on average, whatever the number of equal values.
    init(_ entries: inout [WeightedValue], reaching target: Double) {
        var low = 0
        var high = entries.count
        var reached = 0.0
        while high - low > 1 {
            let pivot = Self.medianOfThree(entries[low], entries[low + (high - low) / 2], entries[high - 1])
            let parts = Self.partition(&entries, low..<high, around: pivot)
            if parts.above > low, reached + parts.weightAbove >= target {
                high = parts.above
            } else if parts.below == high || reached + parts.weightAbove + parts.weightEqual >= target {
                let weight = Double(entries[parts.above].weight)
                let missing = target - reached - parts.weightAbove
                let available = parts.below - parts.above
                value = pivot
                let wanted = weight > 0 ? max(1, (missing / weight).rounded(.up)) : .infinity
                equalCount = Int(min(Double(available), wanted))
                return
            } else {
                reached += parts.weightAbove + parts.weightEqual
                low = parts.below
            }
        }
        value = low < high ? entries[low].value : -.infinity
        equalCount = high - low
    }

    private static func medianOfThree(_ a: WeightedValue, _ b: WeightedValue, _ c: WeightedValue) -> Float {
        max(min(a.value, b.value), min(max(a.value, b.value), c.value))
    }

    /// Reorders `range` into greater, equal and less: `above` is where the equal ones begin, `below` the lesser ones.
    private static func partition(
        _ entries: inout [WeightedValue], _ range: Range<Int>, around pivot: Float
    ) -> (above: Int, below: Int, weightAbove: Double, weightEqual: Double) {
        var above = range.lowerBound
        var below = range.upperBound
        var next = range.lowerBound
        var weightAbove = 0.0
        var weightEqual = 0.0
        while next < below {
            let entry = entries[next]
            if entry.value > pivot {
                weightAbove += Double(entry.weight)
                entries.swapAt(next, above)
                above += 1
                next += 1
            } else if entry.value < pivot {
                below -= 1
                entries.swapAt(next, below)
            } else {
                weightEqual += Double(entry.weight)
                next += 1
            }
        }
        return (above, below, weightAbove, weightEqual)
    }
}
