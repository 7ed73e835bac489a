// The last of many, in memory that is there from the start.

/// When it is full, each new element takes the place of the oldest.
struct RecentList<Element: Sendable>: Sendable {
    private var slots: [Element?]
    private var first = 0
    private(set) var count = 0

    init(capacity: Int) {
        slots = Array(repeating: nil, count: max(1, capacity))
    }

    /// The element that had to go, if one had to.
    @discardableResult
    mutating func append(_ element: Element) -> Element? {
        let dropped = count == slots.count ? removeOldest() : nil
        slots[(first + count) % slots.count] = element
        count += 1
        return dropped
    }

    mutating func removeOldest() -> Element? {
        guard count > 0 else { return nil }
        let oldest = slots[first]
        slots[first] = nil
        first = (first + 1) % slots.count
        count -= 1
        return oldest
    }

    var oldestFirst: [Element] {
        (0..<count).compactMap { slots[(first + $0) % slots.count] }
    }
}
