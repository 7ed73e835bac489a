// What is to be quantised and what is copied, known before the work begins.

internal import JSON
internal import Kernels
internal import ModelFiles
internal import Models

/// The modules of a checkpoint and the tensors that will be written, checked.
struct QuantizationPlan {
    let recipe: QuantizationRecipe
    /// Of each layer, of each of its sites.
    let modules: [[[LinearModule]]]
    /// In the order of the source.
    let copied: [String]
    let tensors: [TensorDescription]

    init(_ checkpoint: ModelCheckpoint, _ recipe: QuantizationRecipe, isCalibrated: Bool) throws {
        guard checkpoint.format == .safetensors else { throw QuantizationError.notAFolder(model: checkpoint.name) }
        if let quantization = checkpoint.quantization {
            throw QuantizationError.alreadyQuantized(
                model: checkpoint.name, method: quantization.method.rawValue)
        }
        guard QuantizationRecipe.widths.contains(recipe.bits) else {
            throw QuantizationError.unsupportedBits(recipe.bits)
        }
        guard recipe.damping > 0, recipe.damping <= 1 else {
            throw QuantizationError.dampingOutOfRange(recipe.damping)
        }
        if recipe.method == .rtn, recipe.ordersByActivation { throw QuantizationError.actOrderNeedsCalibration }
        if recipe.method == .gptq, !isCalibrated { throw QuantizationError.noCalibration }
        self.recipe = recipe
        let configuration = checkpoint.configuration
        modules = (0..<configuration.layerCount).map { layer in
            LayerSite.allCases.map { LayerwiseDecoder.modules(at: $0, ofLayer: layer, configuration) }
        }
        var quantized: [String: LinearModule] = [:]
        for module in modules.joined().joined() {
            try Self.check(module, recipe, checkpoint.weights)
            quantized[module.name + ".weight"] = module
        }
        let names = checkpoint.weights.tensorNames
        copied = names.filter { quantized[$0] == nil }
        tensors = names.flatMap { name -> [TensorDescription] in
            if let module = quantized[name] {
                return GPTQTensors.descriptions(
                    module: module.name, rows: module.rowCount, columns: module.columnCount,
                    groups: module.columnCount / recipe.groupColumns(module.columnCount), bits: recipe.bits)
            }
            return checkpoint.weights.tensor(named: name).map {
                [TensorDescription(name: name, elementType: $0.elementType, shape: $0.shape)]
            } ?? []
        }
    }

    private static func check(
        _ module: LinearModule, _ recipe: QuantizationRecipe, _ weights: any WeightSource
    ) throws(QuantizationError) {
        let name = module.name + ".weight", rows = module.rowCount, columns = module.columnCount
        guard let tensor = weights.tensor(named: name) else { throw .tensorMissing(name) }
        guard tensor.elementType.storageFormat != nil else {
            throw .unsupportedElementType(tensor: name, type: tensor.elementType.name)
        }
        guard tensor.shape == [rows, columns] else {
            throw .shapeMismatch(tensor: name, expected: [rows, columns], found: tensor.shape)
        }
        let size = recipe.groupColumns(columns)
        guard size > 0, columns % size == 0 else {
            throw .groupSizeDoesNotDivide(groupSize: size, columns: columns, module: module.name)
        }
        guard columns * recipe.bits % 32 == 0, rows * recipe.bits % 32 == 0 else {
            throw .wordsNotFilled(module: module.name, rows: rows, columns: columns, bits: recipe.bits)
        }
    }

    /// As GPTQ's quantisers write it.
    var configuration: JSONObject {
        var object = JSONObject()
        object["quant_method"] = "gptq"
        object["bits"] = .integer(Int64(recipe.bits))
        object["group_size"] = .integer(Int64(recipe.groupSize ?? -1))
        object["desc_act"] = .bool(recipe.ordersByActivation)
        object["sym"] = .bool(recipe.isSymmetric)
        object["damp_percent"] = .number(recipe.damping)
        object["static_groups"] = false
        object["true_sequential"] = true
        object["lm_head"] = false
        object["checkpoint_format"] = "gptq"
        object["meta"] = [
            "quantizer": "pagoda", "method": .string(recipe.method.rawValue),
            "scale_search": .string(recipe.scaleSearch.rawValue),
        ]
        return object
    }
}

extension ElementType {
    /// The kernels' name of a type of plain numbers.
    var storageFormat: StorageFormat? {
        switch self {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        default: nil
        }
    }
}
