// A folder of weights in 16 or 32 bits → one in the GPTQ format.

internal import JSON
public import Kernels
public import ModelFiles
internal import Models
public import Primitives

/// What became of one module.
public struct ModuleReport: Sendable, Equatable {
    /// As the checkpoint names it.
    public let name: String
    public let layer: Int
    /// Of the calibration's outputs, squared and relative: ‖(W − Q)X‖² / ‖WX‖². Without calibration, of the weights.
    public let error: Double
    /// Share of the mean of the Hessian's diagonal that was added to it; nil without calibration.
    public let damping: Double?
}

/// Quantises the linear modules of every layer; embedding, norms, biases and output head are copied.
///
/// With GPTQ the calibration text goes through the model layer by layer, and through what has been quantised already:
/// each module makes up for the errors before it as well as it can.
public final class CheckpointQuantizer {
    private let checkpoint: ModelCheckpoint
    private let source: String
    private let plan: QuantizationPlan
    private let sequences: [[TokenID]]
    private let instructionSet: InstructionSet
    private let pool: WorkerPool

    public var layerCount: Int { plan.modules.count }

    /// - Parameters:
    ///   - source: The folder of `checkpoint`.
    ///   - sequences: What to calibrate with, all of one length; none for round-to-nearest.
    public init(
        _ checkpoint: ModelCheckpoint, source: String, recipe: QuantizationRecipe, sequences: [[TokenID]],
        threadCount: Int, instructionSet: InstructionSet
    ) throws {
        self.checkpoint = checkpoint
        self.source = source
        self.sequences = sequences
        self.instructionSet = instructionSet
        plan = try QuantizationPlan(checkpoint, recipe, isCalibrated: !sequences.isEmpty)
        pool = try WorkerPool(workerCount: threadCount)
    }

    /// Writes the folder `output`, which must not be there yet, and which has its name only once it is complete.
    ///
    /// - Parameter progress: Told of each module.
    public func run(output: String, shardBytes: Int, progress: (ModuleReport) -> Void) throws {
        let folder = try CheckpointFolder(path: output)
        let writer = try folder.weights(plan.tensors, shardBytes: shardBytes)
        switch plan.recipe.method {
        case .gptq: try calibrate(writer, progress)
        case .rtn: try roundToNearest(writer, progress)
        }
        for name in plan.copied {
            guard let tensor = checkpoint.weights.tensor(named: name) else { continue }
            try tensor.withUnsafeBytes { try writer.write($0.bytes, to: name) }
        }
        try writer.finish()
        try folder.copyCompanions(from: source)
        try folder.write(.object(plan.configuration), as: "quantize_config.json")
        try folder.copyConfiguration(
            from: source, adding: "quantization_config", .object(plan.configuration))
        try folder.complete()
    }

    private func workspace() throws(KernelError) -> QuantizerWorkspace {
        try QuantizerWorkspace(
            largestDimension: plan.modules.joined().joined().reduce(1) { max($0, $1.rowCount, $1.columnCount) },
            inputsAtOnce: sequences.first?.count ?? 1, instructionSet: instructionSet, pool: pool)
    }

    // MARK: - Round to nearest

    private func roundToNearest(_ writer: SafetensorsWriter, _ progress: (ModuleReport) -> Void) throws {
        let rounding = ModuleRounding(plan.recipe, workspace: try workspace())
        for (layer, sites) in plan.modules.enumerated() {
            for module in sites.joined() {
                let arena = Arena()
                let weights = try self.weights(of: module, in: arena)
                let rounded = try rounding.roundToNearest(weights, in: arena)
                try write(rounded, of: module, to: writer)
                let error =
                    Self.squaredDistance(weights, rounded.values)
                    / max(Self.squaredNorm(weights), .leastNormalMagnitude)
                progress(ModuleReport(name: module.name, layer: layer, error: error, damping: nil))
            }
        }
    }

    // MARK: - GPTQ

    private func calibrate(_ writer: SafetensorsWriter, _ progress: (ModuleReport) -> Void) throws {
        let decoder = try LayerwiseDecoder(
            checkpoint, sequences: sequences, instructionSet: instructionSet, pool: pool)
        let workspace = try workspace()
        let rounding = ModuleRounding(plan.recipe, workspace: workspace)
        for (layer, sites) in plan.modules.enumerated() {
            try decoder.load(layer: layer)
            for (site, modules) in zip(LayerSite.allCases, sites) {
                // Memory of one site at a time.
                let arena = Arena()
                let statistics = try InputStatistics(
                    columnCount: modules[0].columnCount, totalCount: decoder.sequenceCount * decoder.length,
                    workspace: workspace, in: arena)
                decoder.forEachInput(of: site) { statistics.add($0, count: decoder.length) }
                guard statistics.complete() else {
                    throw QuantizationError.inputsNotFinite(module: modules[0].name)
                }
                let factor = try SiteFactor(
                    statistics, plan.recipe, workspace: workspace, module: modules[0].name, in: arena)
                var values: [FloatMatrix] = []
                for module in modules {
                    let original = try weights(of: module, in: arena)
                    let rounded = try rounding.roundByGPTQ(original, along: factor, in: arena)
                    try write(rounded, of: module, to: writer)
                    values.append(rounded.values)
                    progress(
                        ModuleReport(
                            name: module.name, layer: layer,
                            error: try statistics.relativeError(of: rounded.values, original, in: arena),
                            damping: factor.damping))
                }
                try decoder.replace(site, with: values)
            }
            decoder.finish()
        }
    }

    private func write(
        _ rounded: RoundedModule, of module: LinearModule, to writer: SafetensorsWriter
    ) throws(ModelFileError) {
        let words = rounded.codeWords(bits: plan.recipe.bits), zeros = rounded.zeroPointWords(bits: plan.recipe.bits)
        let scales = rounded.halfScales(), groups = rounded.groupOfColumn.map(\.littleEndian)
        try writer.write(words.span.bytes, to: module.name + ".qweight")
        try writer.write(zeros.span.bytes, to: module.name + ".qzeros")
        try writer.write(scales.span.bytes, to: module.name + ".scales")
        try writer.write(groups.span.bytes, to: module.name + ".g_idx")
    }

    // MARK: - Weights

    private func weights(of module: LinearModule, in arena: Arena) throws -> FloatMatrix {
        let name = module.name + ".weight", rows = module.rowCount, columns = module.columnCount
        guard let tensor = checkpoint.weights.tensor(named: name), let format = tensor.elementType.storageFormat
        else { throw QuantizationError.tensorMissing(name) }
        let out = try FloatMatrix(rows: rows, columns: columns, in: arena, purpose: name)
        let rowBytes = columns * format.blockBytes
        try tensor.withUnsafeBytes { bytes in
            for row in 0..<rows {
                let values = Dequantize.decode(
                    UnsafeRawBufferPointer(rebasing: bytes[row * rowBytes..<(row + 1) * rowBytes]), format: format,
                    elementCount: columns)
                guard values.allSatisfy(\.isFinite) else {
                    throw QuantizationError.weightsNotFinite(module: module.name)
                }
                out.withRow(row) { for column in 0..<columns { $0[column] = values[column] } }
            }
        }
        return out
    }

    private static func squaredNorm(_ matrix: FloatMatrix) -> Double {
        (0..<matrix.rowCount).reduce(0.0) { sum, row in
            matrix.withRow(row) { values in
                var sum = sum
                for column in 0..<values.count { sum += Double(values[column]) * Double(values[column]) }
                return sum
            }
        }
    }

    private static func squaredDistance(_ left: FloatMatrix, _ right: FloatMatrix) -> Double {
        (0..<left.rowCount).reduce(0.0) { sum, row in
            left.withRow(row) { left in
                right.withRow(row) { right in
                    var sum = sum
                    for column in 0..<left.count {
                        let difference = Double(left[column]) - Double(right[column])
                        sum += difference * difference
                    }
                    return sum
                }
            }
        }
    }
}
