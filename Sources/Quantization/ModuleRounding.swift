// Weights → codes: round to nearest, and GPTQ.

public import Kernels

/// Rounds the modules of a checkpoint, one after another.
public struct ModuleRounding {
    private let recipe: QuantizationRecipe
    private let search: GridSearch
    private let workspace: QuantizerWorkspace

    public init(_ recipe: QuantizationRecipe, workspace: QuantizerWorkspace) {
        self.recipe = recipe
        self.workspace = workspace
        search = GridSearch(recipe)
    }

    private var greatest: Float { Float((1 << recipe.bits) - 1) }
    private static let rowsPerTile = 4

    // MARK: - Round to nearest

    /// - Parameter weights: Shape [rows, columns].
    public func roundToNearest(_ weights: FloatMatrix, in arena: Arena) throws(KernelError) -> RoundedModule {
        let columns = weights.columnCount, size = recipe.groupColumns(columns)
        let result = try RoundedModule(
            rows: weights.rowCount, groupOfColumn: (0..<columns).map { Int32($0 / size) }, groupCount: columns / size,
            in: arena)
        forEachRow(of: weights) { row in
            for group in 0..<columns / size {
                let range = group * size..<(group + 1) * size
                let grid = search.grid(of: Self.padded(weights, row: row, range))
                result.setGrid(grid, row: row, group: group)
                for column in range {
                    _ = result.set(grid.code(weights[row, column]), grid, row: row, column: column)
                }
            }
        }
        return result
    }

    // MARK: - GPTQ

    /// Rounds column after column in the factor's order. Of each, the error is made up for by the columns after it, as
    /// far as their inputs go together: after column i, w −= (wᵢ − qᵢ) / Uᵢᵢ × Uᵢ. Grids are those of the weights as
    /// they are when their group's turn comes.
    ///
    /// - Parameters:
    ///   - weights: Shape [rows, columns].
    ///   - factor: Of the site that the module reads at. Groups are of columns that follow each other in its order.
    public func roundByGPTQ(
        _ weights: FloatMatrix, along factor: SiteFactor, in arena: Arena
    ) throws(KernelError) -> RoundedModule {
        let order = factor.order
        let rows = weights.rowCount, columns = weights.columnCount, size = recipe.groupColumns(columns)
        var groupOfColumn = [Int32](repeating: 0, count: columns)
        for (place, column) in order.enumerated() { groupOfColumn[column] = Int32(place / size) }
        let result = try RoundedModule(
            rows: rows, groupOfColumn: groupOfColumn, groupCount: columns / size, in: arena)
        let ordered = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: "ordered weights")
        let errors = try FloatMatrix(
            rows: rows, columns: InverseFactor.blockSize, in: arena, purpose: "errors of rounding")
        forEachRow(of: weights) { row in
            for (place, column) in order.enumerated() {
                ordered[row, place] = factor.isUnused[place] ? 0 : weights[row, column]
            }
        }
        for block in Self.blocks(columns: columns, groupSize: size) {
            round(block, of: ordered, factor: FactorBlock(factor.factor, block), order, into: result, errors)
            let behind = block.upperBound..<columns
            workspace.product.multiply(
                MatrixWindow(errors, rows: 0..<rows, columns: 0..<block.count),
                MatrixWindow(factor.factor, rows: block, columns: behind, isTransposed: true), scale: -1,
                into: MatrixWindow(ordered, rows: 0..<rows, columns: behind), accumulate: true)
        }
        return result
    }

    /// Blocks of up to 128 columns, each of whole groups or a part of one.
    static func blocks(columns: Int, groupSize: Int) -> [Range<Int>] {
        let most = InverseFactor.blockSize
        let span = groupSize <= most ? most / groupSize * groupSize : groupSize
        return stride(from: 0, to: columns, by: span).flatMap { start in
            let end = min(columns, start + span)
            return stride(from: start, to: end, by: most).map { $0..<min(end, $0 + most) }
        }
    }

    private func round(
        _ block: Range<Int>, of weights: FloatMatrix, factor: FactorBlock, _ order: [Int],
        into result: RoundedModule, _ errors: FloatMatrix
    ) {
        let size = recipe.groupColumns(weights.columnCount)
        forEachRow(of: weights) { row in
            var line = Self.padded(weights, row: row, block)
            var grid = GroupGrid(scale: 1, zeroPoint: 0, greatest: greatest)
            for place in 0..<block.count {
                let column = block.lowerBound + place, group = column / size
                if column % size == 0 {
                    // A group that reaches beyond the block starts it, and all of it is up to date in `weights`.
                    grid = search.grid(
                        of: size <= block.count
                            ? Self.padded(line, place..<place + size)
                            : Self.padded(weights, row: row, column..<column + size))
                    result.setGrid(grid, row: row, group: group)
                } else if place == 0 {
                    grid = result.grid(row: row, group: group, greatest: greatest)
                }
                let value = line[place / 16][place % 16]
                let rounded = result.set(grid.code(value), grid, row: row, column: order[column])
                let error = (value - rounded) / factor.diagonal[place]
                errors[row, place] = error
                for vector in place / 16..<line.count {
                    line[vector] -= error * factor.rows[place * factor.vectorCount + vector]
                }
            }
        }
    }

    /// The rows of U of a block, as far as the block's own columns.
    private struct FactorBlock {
        let vectorCount: Int
        /// Shape [block, vectorCount]; zeros below the diagonal.
        let rows: [SIMD16<Float>]
        let diagonal: [Float]

        init(_ factor: FloatMatrix, _ block: Range<Int>) {
            vectorCount = (block.count + 15) / 16
            var rows: [SIMD16<Float>] = []
            for (place, row) in block.enumerated() {
                var line = ModuleRounding.padded(factor, row: row, block)
                for column in 0..<place { line[column / 16][column % 16] = 0 }
                rows += line
            }
            self.rows = rows
            diagonal = block.map { factor[$0, $0] }
        }
    }

    // MARK: - Rows

    private func forEachRow(of matrix: FloatMatrix, _ body: (Int) -> Void) {
        let rows = matrix.rowCount, step = Self.rowsPerTile
        workspace.pool.run { worker in
            worker.stage(tiles: (rows + step - 1) / step) { tile in
                for row in tile * step..<min(rows, (tile + 1) * step) { body(row) }
            }
        }
    }

    fileprivate static func padded(_ matrix: FloatMatrix, row: Int, _ columns: Range<Int>) -> [SIMD16<Float>] {
        var out = [SIMD16<Float>](repeating: SIMD16(), count: (columns.count + 15) / 16)
        matrix.withRow(row) { values in
            for (place, column) in columns.enumerated() { out[place / 16][place % 16] = values[column] }
        }
        return out
    }

    private static func padded(_ line: [SIMD16<Float>], _ places: Range<Int>) -> [SIMD16<Float>] {
        var out = [SIMD16<Float>](repeating: SIMD16(), count: (places.count + 15) / 16)
        for (index, place) in places.enumerated() { out[index / 16][index % 16] = line[place / 16][place % 16] }
        return out
    }
}
