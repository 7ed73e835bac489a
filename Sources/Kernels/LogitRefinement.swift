// The logits that count, computed again from finer activations.

internal import CKernels

/// Products with activations of 8 bits give all logits; those of the likeliest tokens are then computed again from 11
/// bits. An error of the head's inputs goes straight to the logits: left in all of them it is a third of all divergence
/// from fp32, and taken out of all of them it costs nearly as much as the product itself.
///
/// What is computed again depends on the row's own logits, so that the bits are the same in any batch.
public struct LogitRefinement {
    /// Panels of 16 tokens that are computed again at most.
    private static let mostPanels = 32
    /// How far below the highest logit of a row others are looked at: e^−8 of its probability.
    private static let margin: Float = 8
    /// What a margin that holds too many is shortened by.
    private static let shortening: Float = 0.75
    /// Of them a tile computes, and of all panels a tile looks at: a single row's are shared among the workers, and
    /// each looks at what is in its cache, mostly.
    private static let panelsPerTile = 8, panelsPerLook = 512

    /// The highest logit of each panel, [rows, panels].
    private let maxima: FloatMatrix
    /// Of the panels chosen, [workers, mostPanels].
    private let highest: FloatMatrix
    /// The panels chosen of each row, [rows, mostPanels], and how many.
    private let panels: UnsafeMutablePointer<Int32>
    private let counts: UnsafeMutablePointer<Int32>

    /// - Parameters:
    ///   - rows: Of logits.
    ///   - tokens: Of the head, at most.
    public init(rows: Int, tokens: Int, workerCount: Int, in arena: Arena, purpose: String) throws(KernelError) {
        let panelCount = (tokens + PackedMatrix.panelRows - 1) / PackedMatrix.panelRows
        maxima = try FloatMatrix(rows: rows, columns: panelCount, in: arena, purpose: purpose)
        highest = try FloatMatrix(rows: workerCount, columns: Self.mostPanels, in: arena, purpose: purpose)
        panels = try arena.allocate(Int32.self, rows, Self.mostPanels, purpose: purpose)
        counts = try arena.allocate(Int32.self, rows, purpose: purpose)
    }

    /// Computes the highest logits of each row again, as three stages of the job, where the head has integer weights.
    ///
    /// - Parameters:
    ///   - logits: What `head.multiply` gave for the first `tokenCount` rows of `activations`, which have a form of 11
    ///     bits, from `firstColumn` on.
    public func refine(
        _ logits: LogitsBuffer, firstColumn: Int, of head: PackedMatrix, _ activations: ActivationRows,
        tokenCount: Int, _ kernels: KernelSet, _ worker: Worker
    ) {
        precondition(
            firstColumn >= 0 && firstColumn + head.rowCount <= logits.vocabularySize
                && tokenCount <= min(maxima.rowCount, logits.rowCapacity) && head.panelCount <= maxima.columnCount,
            "no such logits")
        guard head.usesQuantizedActivations, let matrix = logits.matrix, tokenCount > 0 else { return }
        let product = Product(
            activations, isFine: true, tokenCount: tokenCount, into: matrix.row(0) + firstColumn,
            stride: matrix.columnCount, accumulate: false, kernels)
        let looksPerToken = (head.panelCount + Self.panelsPerLook - 1) / Self.panelsPerLook
        worker.stage(tiles: tokenCount * looksPerToken) { tile in
            let (token, look) = tile.quotientAndRemainder(dividingBy: looksPerToken)
            let first = look * Self.panelsPerLook, last = min(head.panelCount, first + Self.panelsPerLook)
            findMaxima(of: head, panels: first..<last, token: token, matrix.row(token) + firstColumn, kernels)
        }
        worker.stage(tiles: tokenCount) { token in
            choosePanels(panelCount: Int32(head.panelCount), token: token, kernels, worker)
        }
        let tilesPerToken = Self.mostPanels / Self.panelsPerTile
        worker.stage(tiles: tokenCount * tilesPerToken) { tile in
            let (token, piece) = tile.quotientAndRemainder(dividingBy: tilesPerToken)
            let first = piece * Self.panelsPerTile, last = min(Int(counts[token]), first + Self.panelsPerTile)
            for index in stride(from: first, to: last, by: 1) {
                let (part, panel) = head.place(ofPanel: Int(panels[token * Self.mostPanels + index]))
                product.compute(part, panel..<panel + 1, token..<token + 1)
            }
        }
    }

    /// Finds the highest logit of some panels.
    private func findMaxima(
        of head: PackedMatrix, panels: Range<Int>, token: Int, _ logits: UnsafePointer<Float>, _ kernels: KernelSet
    ) {
        var firstPanel = 0
        for index in 0..<head.partCount {
            let part = head.part(index)
            let here = panels.clamped(to: firstPanel..<firstPanel + part.panelCount)
            if !here.isEmpty {
                let first = (here.lowerBound - firstPanel) * PackedMatrix.panelRows
                let last = min(part.rowCount, (here.upperBound - firstPanel) * PackedMatrix.panelRows)
                kernels.functions.block_maxima(
                    logits + part.firstRow + first, Int32(last - first), Int32(PackedMatrix.panelRows),
                    maxima.row(token) + here.lowerBound)
            }
            firstPanel += part.panelCount
        }
    }

    /// Lists the panels that hold logits near the highest, in order.
    private func choosePanels(panelCount: Int32, token: Int, _ kernels: KernelSet, _ worker: Worker) {
        let maxima = maxima.row(token)
        let top = kernels.functions.argmax(maxima, panelCount).value
        guard top > -.infinity else {
            // Not one is a number: they are the sampler's to report.
            counts[token] = 0
            return
        }
        var margin = Self.margin
        // Where many are as likely the nearest are chosen; were they all equal, the first.
        while margin > 0x1p-10, kernels.functions.count(maxima, panelCount, top - margin) > Self.mostPanels {
            margin *= Self.shortening
        }
        counts[token] = kernels.functions.collect(
            maxima, panelCount, top - margin, Int32(Self.mostPanels), panels + token * Self.mostPanels,
            highest.row(worker.index))
    }
}

extension PackedMatrix {
    /// The part that a panel is in, counted through all of them, and its place there.
    fileprivate func place(ofPanel index: Int) -> (Part, panel: Int) {
        var panel = index, number = 0
        while panel >= part(number).panelCount {
            panel -= part(number).panelCount
            number += 1
        }
        return (part(number), panel)
    }
}
