// The matrices of a mixture's experts, and products in which each row meets its own expert's.

internal import CKernels

/// One matrix for each expert, all of one shape, or some of the rows of each. Memory belongs to an arena.
public struct ExpertMatrices: Sendable {
    public let rowCount: Int
    public let columnCount: Int
    /// Whether some expert reads the 8-bit form of its activations in their own order.
    public let usesQuantizedActivations: Bool
    /// Whether some expert reads its activations in an order of its own.
    public let permutesColumns: Bool
    private let matrices: [PackedMatrix]
    private let experts: Experts

    /// What products need of each expert, without the references that a matrix holds.
    private struct Experts: @unchecked Sendable {
        struct Expert {
            let part: PackedMatrix.Part
            /// Whether it reads the 8-bit form of its activations in their own order.
            let readsCodes: Bool
        }

        let pointer: UnsafeMutablePointer<Expert>
        let count: Int

        subscript(index: Int) -> Expert {
            precondition(index >= 0 && index < count, "expert out of range")
            return pointer[index]
        }
    }

    /// - Parameter matrices: At least one, each of one part.
    public init(_ matrices: [PackedMatrix], in arena: Arena) throws(KernelError) {
        precondition(!matrices.isEmpty, "no experts")
        rowCount = matrices[0].rowCount
        columnCount = matrices[0].columnCount
        for matrix in matrices {
            precondition(
                matrix.rowCount == rowCount && matrix.columnCount == columnCount && matrix.partCount == 1,
                "experts of different shapes")
        }
        self.matrices = matrices
        let storage = try arena.allocate(Experts.Expert.self, matrices.count, purpose: "experts")
        for (index, matrix) in matrices.enumerated() {
            let readsCodes = matrix.usesQuantizedActivations && !matrix.permutesColumns
            (storage + index).initialize(to: Experts.Expert(part: matrix.part(0), readsCodes: readsCodes))
        }
        experts = Experts(pointer: storage, count: matrices.count)
        usesQuantizedActivations = matrices.contains { $0.usesQuantizedActivations && !$0.permutesColumns }
        permutesColumns = matrices.contains(where: \.permutesColumns)
    }

    public var count: Int { matrices.count }
    /// Of all experts.
    public var byteCount: Int { matrices.reduce(0) { $0 + $1.byteCount } }

    /// Of one expert: the elements of its matrix.
    public var elementsPerExpert: Double { Double(rowCount) * Double(columnCount) }

    // MARK: - Products, each a stage of the job

    /// Puts a row's copy at its place for one of its choices, as this choice's expert reads it.
    ///
    /// - Parameters:
    ///   - source: With the 8-bit form where `usesQuantizedActivations` is.
    ///   - first: The first of the grouped rows.
    public static func gather(
        _ source: ActivationRows, row: Int, choice: Int, first: Int, _ routing: ExpertRouting, gate: ExpertMatrices,
        up: ExpertMatrices, into places: ActivationRows, _ kernels: KernelSet
    ) {
        let place = routing.place(row: row, choice: choice, first: first)
        let expert = routing.expert(row: row, choice: choice)
        let gateReadsCodes = gate.experts[expert].readsCodes, upReadsCodes = up.experts[expert].readsCodes
        if gateReadsCodes || upReadsCodes { places.copyRow(row, to: place, from: source, quantized: true) }
        if !gateReadsCodes || !upReadsCodes { places.copyRow(row, to: place, from: source, quantized: false) }
        guard gate.permutesColumns || up.permutesColumns else { return }
        let reader = gate.matrices[expert].usesQuantizedActivations ? gate.matrices[expert] : up.matrices[expert]
        if reader.permutesColumns { places.quantize(row: place, for: reader, kernels) }
    }

    /// Makes the 8-bit form of a row's copy as its expert reads it, if it does.
    public func quantize(
        _ places: ActivationRows, row: Int, choice: Int, first: Int, _ routing: ExpertRouting, _ kernels: KernelSet
    ) {
        places.quantize(
            row: routing.place(row: row, choice: choice, first: first),
            for: matrices[routing.expert(row: row, choice: choice)], kernels)
    }

    /// gated = activation(gate × activations) × (up × activations) at every place.
    ///
    /// - Parameters:
    ///   - firstColumn: Where in `gated` the results of the first row go.
    ///   - quantizes: Whether to make the 8-bit form where `down`'s expert reads it; then all columns are computed.
    ///   - scratch: Of the shape of `gated`.
    public static func multiplyGated(
        gate: ExpertMatrices, up: ExpertMatrices, down: ExpertMatrices, _ routing: ExpertRouting,
        _ activations: ActivationRows, into gated: ActivationRows, firstColumn: Int, _ activation: GateActivation,
        quantizes: Bool, scratch: FloatMatrix, _ kernels: KernelSet, _ worker: Worker
    ) {
        let width = gate.rowCount, stride = gated.columnCount, places = routing.placeCapacity
        precondition(
            up.rowCount == width && down.columnCount == stride && firstColumn >= 0 && firstColumn + width <= stride
                && (!quantizes || width == stride) && scratch.columnCount == stride
                && activations.columnCount == gate.columnCount && activations.columnCount == up.columnCount
                && places <= gated.rowCount && places <= scratch.rowCount,
            "experts' product out of range")
        let gateProduct = Product(
            activations, tokenCount: places, into: gated.values.row(0) + firstColumn, stride: stride,
            accumulate: false, kernels)
        let upProduct = Product(
            activations, tokenCount: places, into: scratch.row(0) + firstColumn, stride: stride,
            accumulate: false, kernels)
        gate.stage(routing, worker) { item, panels, tokens in
            gateProduct.compute(gate.experts[Int(item.expert)].part, panels, tokens)
            upProduct.compute(up.experts[Int(item.expert)].part, panels, tokens)
            let quantizes = quantizes && down.experts[Int(item.expert)].readsCodes
            let rows = PackedMatrix.panelRows, last = firstColumn + min(width, panels.upperBound * rows)
            let columns = firstColumn + panels.lowerBound * rows..<last
            for row in tokens {
                kernels.gate(gated.values, up: scratch, row: row, columns: columns, activation)
                if quantizes { gated.quantize(row: row, columns: columns, kernels) }
            }
        }
    }

    /// out = matrix × activations at every place, from `firstColumn` of its columns on.
    public func multiply(
        _ routing: ExpertRouting, _ activations: ActivationRows, into out: FloatMatrix, firstColumn: Int,
        _ kernels: KernelSet, _ worker: Worker
    ) {
        precondition(
            activations.columnCount == columnCount && firstColumn >= 0 && firstColumn + rowCount <= out.columnCount
                && routing.placeCapacity <= out.rowCount, "experts' product out of range")
        let product = Product(
            activations, tokenCount: routing.placeCapacity, into: out.row(0) + firstColumn, stride: out.columnCount,
            accumulate: false, kernels)
        stage(routing, worker) { item, panels, tokens in product.compute(experts[Int(item.expert)].part, panels, tokens)
        }
    }

    /// Panels that a tile takes: an even number, since two have the 32 rows that share a scale once they are quantised.
    private static let tilePanels = 8

    private func stage(
        _ routing: ExpertRouting, _ worker: Worker,
        _ body: (ExpertRouting.Item, _ panels: Range<Int>, _ tokens: Range<Int>) -> Void
    ) {
        let panelCount = experts[0].part.panelCount
        let tilesPerItem = (panelCount + Self.tilePanels - 1) / Self.tilePanels
        worker.stage(tiles: routing.itemCount * tilesPerItem) { tile in
            let item = routing.item(tile / tilesPerItem), panel = tile % tilesPerItem * Self.tilePanels
            body(
                item, panel..<min(panelCount, panel + Self.tilePanels), Int(item.firstPlace)..<Int(item.endPlace))
        }
    }
}
