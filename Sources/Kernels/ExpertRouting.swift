// Which experts the rows of a batch go to, and where their copies stand.

internal import CKernels

/// The routing of a mixture of experts: selection by softmax and top k, then rows grouped by expert.
///
/// A row's experts and weights depend on its own logits alone. Copies of rows stand at places: those of an expert
/// follow each other, the first on a whole tile of tokens. Memory belongs to an arena and is used anew by every layer.
///
/// Sendable as `FloatMatrix` is: a stage gives each row, or the grouping, to one worker.
public struct ExpertRouting: @unchecked Sendable {
    public let expertCount: Int
    /// Experts of a row.
    public let perRow: Int
    /// Rows that can be grouped at once.
    public let groupCapacity: Int
    /// Places that they may take.
    public let placeCapacity: Int

    /// Some rows of one expert, which one item of a product's work takes.
    struct Item {
        var expert: Int32
        var firstPlace: Int32
        var endPlace: Int32
    }

    /// Shapes [rows, perRow].
    private let experts: UnsafeMutablePointer<Int32>
    private let weights: UnsafeMutablePointer<Float>
    private let rowCapacity: Int
    /// Shape [groupCapacity, perRow].
    private let places: UnsafeMutablePointer<Int32>
    /// Shape [experts]: how many rows each has, then the place of its next one.
    private let cursors: UnsafeMutablePointer<Int32>
    private let items: UnsafeMutablePointer<Item>
    /// Of one element.
    private let itemTotal: UnsafeMutablePointer<Int32>

    /// Rows of an item: as many as stay in a core's cache while the weights pass by.
    private static let itemRows = 128
    private static let tile = Int(PG_TOKEN_TILE)

    /// - Parameters:
    ///   - rows: The most rows of a batch.
    ///   - perRow: At most `expertCount`.
    ///   - groupCapacity: The most rows that are grouped at once; more take several turns.
    public init(
        expertCount: Int, perRow: Int, rows: Int, groupCapacity: Int, in arena: Arena
    ) throws(KernelError) {
        precondition(expertCount > 0 && perRow > 0 && perRow <= expertCount && groupCapacity > 0, "no such routing")
        let purpose = "expert routing"
        self.expertCount = expertCount
        self.perRow = perRow
        self.groupCapacity = min(rows, groupCapacity)
        rowCapacity = rows
        let entries = self.groupCapacity * perRow, active = min(expertCount, entries)
        placeCapacity = Self.placeCapacity(expertCount: expertCount, perRow: perRow, rows: self.groupCapacity)
        experts = try arena.allocate(Int32.self, rows, perRow, purpose: purpose)
        weights = try arena.allocate(Float.self, rows, perRow, purpose: purpose)
        places = try arena.allocate(Int32.self, self.groupCapacity, perRow, purpose: purpose)
        cursors = try arena.allocate(Int32.self, expertCount, purpose: purpose)
        items = try arena.allocate(Item.self, active + entries / Self.itemRows, purpose: purpose)
        itemTotal = try arena.allocate(Int32.self, 1, purpose: purpose)
    }

    /// Places that so many rows may take: each expert that has any leaves a part of a tile empty.
    public static func placeCapacity(expertCount: Int, perRow: Int, rows: Int) -> Int {
        let entries = rows * perRow
        return (entries + min(expertCount, entries) * (tile - 1) + tile - 1) / tile * tile
    }

    /// Chooses the experts of a row: those of the highest probabilities, of equal ones the first.
    ///
    /// - Parameters:
    ///   - logits: Shape [rows, at least expertCount]; the row becomes undefined.
    ///   - normalizes: Whether the weights are to sum up to 1; else they are the softmax over all experts.
    public func select(row: Int, logits: FloatMatrix, normalizes: Bool, _ kernels: KernelSet) {
        precondition(row >= 0 && row < rowCapacity && logits.columnCount >= expertCount, "row out of range")
        let values = logits.row(row), count = Int32(expertCount)
        kernels.functions.exp(values, count, kernels.functions.argmax(values, count).value, 1, values)
        var sum: Float = 0
        for expert in 0..<expertCount { sum += values[expert] }
        let chosen = experts + row * perRow, shares = weights + row * perRow
        var chosenSum: Float = 0
        for index in 0..<perRow {
            // Without any number, as logits of a damaged model may be, the answer is still an expert.
            let expert = kernels.functions.argmax(values, count).index
            chosen[index] = expert
            shares[index] = values[Int(expert)] / sum
            chosenSum += shares[index]
            values[Int(expert)] = -1
        }
        guard normalizes else { return }
        for index in 0..<perRow { shares[index] /= chosenSum }
    }

    /// Gives the rows of a range their places. By one worker, after all of them were selected.
    public func group(rows: Range<Int>) {
        precondition(
            rows.lowerBound >= 0 && rows.upperBound <= rowCapacity && rows.count <= groupCapacity, "too many rows")
        cursors.update(repeating: 0, count: expertCount)
        let chosen = experts + rows.lowerBound * perRow, entries = rows.count * perRow
        for entry in 0..<entries { cursors[Int(chosen[entry])] += 1 }
        var place = 0, total = 0
        for expert in 0..<expertCount {
            let count = Int(cursors[expert])
            cursors[expert] = Int32(place)
            for first in stride(from: place, to: place + count, by: Self.itemRows) {
                items[total] = Item(
                    expert: Int32(expert), firstPlace: Int32(first),
                    endPlace: Int32(min(place + count, first + Self.itemRows)))
                total += 1
            }
            place += (count + Self.tile - 1) / Self.tile * Self.tile
        }
        for entry in 0..<entries {
            let expert = Int(chosen[entry])
            places[entry] = cursors[expert]
            cursors[expert] += 1
        }
        itemTotal.pointee = Int32(total)
    }

    /// Places that the grouped rows take, with those left empty between them.
    public var placeCount: Int { itemCount > 0 ? Int(items[itemCount - 1].endPlace) : 0 }

    /// Work items of the grouped rows.
    var itemCount: Int { Int(itemTotal.pointee) }

    func item(_ index: Int) -> Item {
        precondition(index >= 0 && index < itemCount, "item out of range")
        return items[index]
    }

    /// The expert of one of a row's choices.
    public func expert(row: Int, choice: Int) -> Int { Int(experts[entry(row, choice)]) }
    /// What its result is multiplied with.
    public func weight(row: Int, choice: Int) -> Float { weights[entry(row, choice)] }

    /// Where the row's copy for it stands; `first` is the first of the grouped rows.
    public func place(row: Int, choice: Int, first: Int) -> Int {
        precondition(row >= first && row - first < groupCapacity && choice >= 0 && choice < perRow, "not grouped")
        return Int(places[(row - first) * perRow + choice])
    }

    private func entry(_ row: Int, _ choice: Int) -> Int {
        precondition(row >= 0 && row < rowCapacity && choice >= 0 && choice < perRow, "no such choice")
        return row * perRow + choice
    }
}
