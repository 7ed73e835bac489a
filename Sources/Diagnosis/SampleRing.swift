// The last rows of numbers, in memory of fixed size.

/// Rows of equal width; when it is full, each new one takes the place of the oldest.
struct SampleRing: Sendable {
    let capacity: Int
    private let width: Int
    private var values: [Double] = []
    /// Rows ever added.
    private var rowCount = 0

    init(capacity: Int, width: Int) {
        self.capacity = max(1, capacity)
        self.width = max(1, width)
        values.reserveCapacity(self.capacity * self.width)
    }

    mutating func append(_ row: [Double]) {
        guard row.count == width else { return }
        let start = (rowCount % capacity) * width
        if start == values.count { values += row } else { values.replaceSubrange(start..<start + width, with: row) }
        rowCount += 1
    }

    /// The rows whose first number is greater than `limit`, oldest first.
    func rows(after limit: Double) -> [ArraySlice<Double>] {
        let first = max(0, rowCount - capacity)
        return (first..<rowCount).lazy.map { row in
            let start = (row % capacity) * width
            return values[start..<start + width]
        }
        .filter { ($0.first ?? 0) > limit }
    }
}
