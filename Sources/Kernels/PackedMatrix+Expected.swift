// What comes next is asked for while a worker waits: between two products of few tokens memory would be idle.

internal import CKernels

extension PackedMatrix {
    /// Of each worker's share, what its second cache can hold beside what it works on.
    private static let expectedBytes = 128 << 10

    /// Says that the next product is that of this matrix, in a stage after this one.
    public func expect(tokenCount: Int, _ worker: Worker, workerCount: Int) {
        let tiling = Tiling(panelCount: panelCount, tokenCount: tokenCount, workerCount: workerCount)
        worker.expect(share(of: worker, tiling, atMost: Self.expectedBytes))
    }

    /// The same of `multiplyGated`.
    public static func expectGated(
        gate: PackedMatrix, up: PackedMatrix, tokenCount: Int, _ worker: Worker, workerCount: Int
    ) {
        let tiling = Tiling(gatedPanels: gate.panelCount, tokenCount: tokenCount, workerCount: workerCount)
        worker.expect(
            gate.share(of: worker, tiling, atMost: expectedBytes / 2),
            up.share(of: worker, tiling, atMost: expectedBytes / 2))
    }

    /// Where the tiles begin that a worker takes first, and how far they go on from there.
    private func share(of worker: Worker, _ tiling: Tiling, atMost limit: Int) -> pg_range {
        let tiles = worker.ownTiles(of: tileCount(tiling))
        guard !tiles.isEmpty, let (part, first, _) = tile(tiles.lowerBound, of: tiling),
            let (lastPart, last, _) = tile(tiles.upperBound - 1, of: tiling)
        else { return pg_range() }
        let end = lastPart.firstRow == part.firstRow ? last.upperBound : part.panelCount
        let panels = max(0, end - first.lowerBound)
        return pg_range(begin: part.panel(first.lowerBound), bytes: min(limit, panels * part.panelBytes))
    }
}
