// Which scalars one place of a pattern matches.

/// A set of Unicode scalars, made of ranges and general categories. ASCII is answered from a bitmap.
struct ScalarSet: Sendable {
    private struct Item {
        var ranges: [ClosedRange<UInt32>] = []
        var categories: CategorySet = []
        var isNegated = false

        func contains(_ scalar: UInt32) -> Bool {
            let isMember =
                ranges.contains { $0.contains(scalar) }
                || (!categories.isEmpty && categories.contains(CategorySet.category(of: scalar)))
            return isMember != isNegated
        }
    }

    private var items: [Item]
    private var isNegated = false
    private var lowASCII: UInt64 = 0
    private var highASCII: UInt64 = 0

    private init(_ item: Item) {
        items = [item]
        fillBitmap()
    }

    init(_ range: ClosedRange<UInt32>) {
        self.init(Item(ranges: [range]))
    }

    init(_ categories: CategorySet) {
        self.init(Item(categories: categories))
    }

    /// The members of all `sets`, none of which is itself a negated union of several.
    init(unionOf sets: [ScalarSet]) {
        items = sets.flatMap { set in
            set.items.map { item in
                Item(ranges: item.ranges, categories: item.categories, isNegated: item.isNegated != set.isNegated)
            }
        }
        fillBitmap()
    }

    /// Unicode's White_Space, which is `\s`.
    static let whitespace = ScalarSet(
        Item(ranges: [
            0x09...0x0D, 0x20...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
            0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
        ]))

    /// `\w`.
    static let word = ScalarSet(.word)

    var negated: ScalarSet {
        var set = self
        set.isNegated.toggle()
        set.fillBitmap()
        return set
    }

    @inline(__always)
    func contains(_ scalar: UInt32) -> Bool {
        if scalar < 64 { return lowASCII >> UInt64(scalar) & 1 != 0 }
        if scalar < 128 { return highASCII >> UInt64(scalar - 64) & 1 != 0 }
        return computeContains(scalar)
    }

    private func computeContains(_ scalar: UInt32) -> Bool {
        items.contains { $0.contains(scalar) } != isNegated
    }

    private mutating func fillBitmap() {
        lowASCII = 0
        highASCII = 0
        for scalar in UInt32(0)..<64 {
            if computeContains(scalar) { lowASCII |= 1 << UInt64(scalar) }
            if computeContains(scalar + 64) { highASCII |= 1 << UInt64(scalar) }
        }
    }
}
