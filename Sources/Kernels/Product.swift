// What a matrix product reads and writes beside the weights, and how it is cut into tiles.

internal import CKernels

/// The other operands of a product.
struct Product {
    let activations: ActivationRows
    /// Whether the 11-bit form of the activations is read.
    let isFine: Bool
    let tokenCount: Int
    /// Shape [tokens, stride].
    let out: UnsafeMutablePointer<Float>
    let stride: Int
    let accumulate: Bool
    let kernels: KernelSet

    init(
        _ activations: ActivationRows, isFine: Bool = false, tokenCount: Int,
        into out: UnsafeMutablePointer<Float>, stride: Int, accumulate: Bool, _ kernels: KernelSet
    ) {
        precondition(tokenCount <= activations.rowCount, "product out of range")
        self.activations = activations
        self.isFine = isFine
        self.tokenCount = tokenCount
        self.out = out
        self.stride = stride
        self.accumulate = accumulate
        self.kernels = kernels
    }

    /// The rows of some panels of a part, for some tokens.
    func compute(_ part: PackedMatrix.Part, _ panels: Range<Int>, _ tokens: Range<Int>) {
        var matrix = pg_matrix(
            panels: part.panels, form: part.form, rows: Int32(part.rowCount), columns: Int32(part.columnCount))
        var view = activations.view(isFine: isFine)
        kernels.functions.matmul(
            &matrix, Int32(panels.lowerBound), Int32(panels.upperBound), &view, Int32(tokens.lowerBound),
            Int32(tokens.upperBound), out + part.firstRow, stride, accumulate ? 1 : 0)
    }
}

/// Tiles of a stage's products: several a worker, so that one that loses its core for a moment holds nobody up; tokens
/// in blocks whose activations stay in the core's cache while the panels pass by.
struct Tiling {
    private static let tokenBlock = 128
    private let panelsPerTile: Int
    private let tokenCount: Int

    init(panelCount: Int, tokenCount: Int, workerCount: Int) {
        self.init(panelCount, tokenCount, workerCount, multiple: 1)
    }

    /// Of a gated product, whose results are quantised: two panels have the 32 rows that share a scale then.
    init(gatedPanels: Int, tokenCount: Int, workerCount: Int) {
        self.init(gatedPanels, tokenCount, workerCount, multiple: 2)
    }

    private init(_ panelCount: Int, _ tokenCount: Int, _ workerCount: Int, multiple: Int) {
        let panels = min(8, max(1, panelCount / (workerCount * 6)))
        panelsPerTile = (panels + multiple - 1) / multiple * multiple
        self.tokenCount = tokenCount
    }

    private func tilesPerBlock(_ panelCount: Int) -> Int { (panelCount + panelsPerTile - 1) / panelsPerTile }

    /// Tiles of `panelCount` panels.
    func count(panelCount: Int) -> Int {
        tilesPerBlock(panelCount) * ((tokenCount + Self.tokenBlock - 1) / Self.tokenBlock)
    }

    /// The panels and tokens of one of them.
    func tile(_ index: Int, panelCount: Int) -> (panels: Range<Int>, tokens: Range<Int>) {
        let (block, tile) = index.quotientAndRemainder(dividingBy: tilesPerBlock(panelCount))
        let firstPanel = tile * panelsPerTile, firstToken = block * Self.tokenBlock
        return (
            firstPanel..<min(panelCount, firstPanel + panelsPerTile),
            firstToken..<min(tokenCount, firstToken + Self.tokenBlock)
        )
    }
}
