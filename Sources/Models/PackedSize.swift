// What a checkpoint's weights will take in memory, before they are read.

internal import Kernels
public import ModelFiles

extension LocalExecutor {
    /// About how many bytes the packed weights of `checkpoint` take under `options`, from names and shapes alone.
    public static func weightBytes(of checkpoint: ModelCheckpoint, _ options: LocalExecutorOptions) -> Int {
        let family = (try? DecoderArchitecture.named(checkpoint.configuration.architecture))?.tensorNames ?? .llama
        let names = TensorNames(format: checkpoint.format, family: family)
        let roles = (0..<checkpoint.configuration.layerCount).flatMap { roundedRoles(checkpoint, layer: $0) }
        let layers = Set(roles.map(names.weight))
        let hasHead = checkpoint.weights.tensorNames.contains { $0.hasPrefix(names.module(.outputHead) + ".") }
        let head = names.weight(hasHead ? .outputHead : .tokenEmbedding)
        return checkpoint.weights.tensorNames.reduce(0) { sum, name in
            guard let tensor = checkpoint.weights.tensor(named: name) else { return sum }
            if let coded = codedBytes(tensor, checkpoint.quantization, options) { return sum + coded }
            let elements = tensor.shape.reduce(1, *)
            if options.computesInFloat32 { return sum + 4 * elements }
            let rounding = layers.contains(name) ? options.rounding : name == head ? options.headRounding : nil
            guard let rounding, tensor.elementType.blockElements == 1 else { return sum + tensor.byteRange.count }
            return sum + rounding.byteCount(elements: elements)
        }
    }

    /// What a step's buffers take beyond those of a plain decoder: for outputs that are normed, and for experts.
    public static func extraActivationBytes(of checkpoint: ModelCheckpoint, _ options: LocalExecutorOptions) -> Int {
        let configuration = checkpoint.configuration, rows = options.maximumRows
        let branchBytes = rows * 4 * configuration.hiddenSize
        let normsOutputs = (try? DecoderArchitecture.named(configuration.architecture))?.normsOutputs ?? false
        guard let experts = configuration.experts else { return normsOutputs ? branchBytes : 0 }
        let places = ExpertRouting.placeCapacity(
            expertCount: experts.count, perRow: experts.perToken, rows: min(rows, ExpertBuffers.groupedRows))
        // Of each column the value, its 8-bit form, and what it is multiplied with or becomes.
        let perPlace = 11 * (configuration.hiddenSize + experts.intermediateSize)
        let shared = experts.sharedIntermediateSize.map { rows * 11 * $0 + branchBytes } ?? 0
        return places * perPlace + shared + rows * 4 * (experts.count + 1)
    }

    /// All that a layer may have, whatever its family, of what rounding applies to.
    private static func roundedRoles(_ checkpoint: ModelCheckpoint, layer: Int) -> [TensorRole] {
        let projections: [TensorRole.Projection] = [.gate, .up, .down]
        let expertCount = checkpoint.configuration.experts?.count ?? 0
        return [
            .query(layer: layer), .key(layer: layer), .value(layer: layer), .attentionOutput(layer: layer),
            .gate(layer: layer), .up(layer: layer), .down(layer: layer), .queryKeyValue(layer: layer),
            .gateUp(layer: layer),
        ]
            + projections.flatMap { projection in
                [.sharedExpert(projection, layer: layer)]
                    + (0..<expertCount).map { .expert(projection, layer: layer, expert: $0) }
            }
    }

    /// Of a tensor of codes; 0 for what comes with them, which the codes' size includes; nil for other tensors.
    private static func codedBytes(
        _ tensor: TensorView, _ quantization: CheckpointQuantization?, _ options: LocalExecutorOptions
    ) -> Int? {
        guard let quantization, let dot = tensor.name.lastIndex(of: "."),
            let scheme = quantization.scheme(ofModule: String(tensor.name[..<dot]))
        else { return nil }
        switch tensor.name[dot...].dropFirst() {
        case "qweight", "weight_packed":
            let elements = tensor.byteRange.count / scheme.bits * 8
            return options.computesInFloat32
                ? 4 * elements : RoundedForm.byteCount(elements: elements, bits: scheme.bits)
        case "weight" where tensor.elementType == .int8:
            let elements = tensor.byteRange.count
            return options.computesInFloat32 ? 4 * elements : RoundedForm.int8.byteCount(elements: elements)
        case "qzeros", "scales", "g_idx", "weight_scale", "weight_zero_point", "weight_g_idx", "weight_shape": return 0
        default: return nil
        }
    }
}

extension RoundedForm {
    fileprivate func byteCount(elements: Int) -> Int { Self.byteCount(elements: elements, bits: self == .int4 ? 4 : 8) }

    /// Codes, and at most a scale and a minimum for 32 of them. Codes of 2 or 3 bits take 4.
    fileprivate static func byteCount(elements: Int, bits: Int) -> Int {
        elements / 32 * ((bits <= 4 ? 16 : 32) + 4)
    }
}
