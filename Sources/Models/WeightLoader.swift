// Roles → tensors of a checkpoint → packed matrices.

internal import Kernels
internal import ModelFiles

/// Reads weights by role, whatever form the checkpoint has them in.
struct WeightLoader {
    let checkpoint: ModelCheckpoint
    let architecture: DecoderArchitecture
    let asFloat32: Bool
    let rounding: RoundedForm?
    /// The part of every matrix that is read.
    let shard: ModelShard
    let arena: Arena
    let pool: WorkerPool

    var names: TensorNames { TensorNames(format: checkpoint.format) }
    private var configuration: ModelConfiguration { checkpoint.configuration }
    var fileName: String { checkpoint.weights.fileName }

    func tensor(_ name: String) -> TensorView? {
        checkpoint.weights.tensor(named: name)
    }

    func layer(_ layer: Int) throws -> DecoderLayer {
        let hidden = configuration.hiddenSize, inner = configuration.intermediateSize
        let queryRows = configuration.headCount * configuration.headSize
        let keyRows = configuration.keyValueHeadCount * configuration.headSize
        let stacked: [(TensorRole, Int)] = [
            (.query(layer: layer), queryRows), (.key(layer: layer), keyRows), (.value(layer: layer), keyRows),
        ]
        try checkHasNoBias([.gate(layer: layer), .up(layer: layer)], size: inner)
        try checkHasNoBias([.down(layer: layer)], size: hidden)
        let gate = try matrix(.gate(layer: layer), rows: inner, columns: hidden, rounding: rounding)
        return DecoderLayer(
            attentionNorm: try vector(.attentionNorm(layer: layer), size: hidden),
            queryKeyValue: try matrix(stacked, columns: hidden, rounding: rounding),
            queryKeyValueBias: try bias(
                stacked, isRequired: architecture.requiresQueryKeyValueBias, isSplit: true),
            attentionOutput: try matrix(
                .attentionOutput(layer: layer), rows: hidden, columns: queryRows, rounding: rounding),
            attentionOutputBias: try bias(
                [(.attentionOutput(layer: layer), hidden)], isRequired: false, isSplit: true),
            feedForwardNorm: try vector(.feedForwardNorm(layer: layer), size: hidden),
            gate: gate,
            up: try matrix(
                [(.up(layer: layer), inner)], columns: hidden, rounding: rounding, sharingInputOf: gate),
            down: try matrix(.down(layer: layer), rows: hidden, columns: inner, rounding: rounding))
    }

    // MARK: - Matrices, of which the shard's rows are read

    /// The packed weights of one role. `rows` are those of the checkpoint, here and below.
    func matrix(_ role: TensorRole, rows: Int, columns: Int, rounding: RoundedForm?) throws -> PackedMatrix {
        try matrix([(role, rows)], columns: columns, rounding: rounding)
    }

    /// The stacked rows of several roles as one packed matrix.
    ///
    /// - Parameter other: A matrix that reads the same activations.
    func matrix(
        _ roles: [(role: TensorRole, rows: Int)], columns: Int, rounding: RoundedForm?,
        sharingInputOf other: PackedMatrix? = nil
    ) throws -> PackedMatrix {
        let modules = try roles.map { try module($0.role, rows: $0.rows, columns: columns) }
        // Of a module its codes, else the weights themselves.
        let tensors = try zip(roles, modules).map { role, module in
            try module?.codes ?? stored(role.role, shape: [role.rows, columns])
        }
        defer { for tensor in tensors { tensor.releasePages() } }
        let purpose = tensors[0].name
        return try withBytes(of: tensors[...], []) { bytes in
            let sources = try roles.indices.map { index -> WeightRows in
                let (role, count) = roles[index]
                let rows = shard.rows(of: role, count: count), order = rowOrder(role)
                if let module = modules[index] { return .coded(module.matrix(codes: bytes[index], rows: rows)) }
                return .stored(
                    MatrixSource(
                        bytes: bytes[index], format: try storageFormat(tensors[index]), rowCount: rows.count,
                        rowOrder: { order(rows.lowerBound + $0) }))
            }
            let stored = sources.compactMap { if case .stored(let source) = $0 { source } else { nil } }
            guard stored.count == sources.count else {
                return try PackedMatrix(
                    packing: sources, columnCount: columns, asFloat32: asFloat32, sharingInputOf: other, in: arena,
                    purpose: purpose, pool: pool)
            }
            if let rounding, !asFloat32, columns % 32 == 0, tensors.allSatisfy({ $0.elementType.blockElements == 1 }) {
                return try PackedMatrix(
                    rounding: stored, to: rounding, columnCount: columns, in: arena, purpose: purpose, pool: pool)
            }
            return try PackedMatrix(
                packing: stored, columnCount: columns, asFloat32: asFloat32, in: arena, purpose: purpose, pool: pool)
        }
    }

    private func stored(_ role: TensorRole, shape: [Int]) throws -> TensorView {
        guard let tensor = tensor(names.weight(role)) else { throw missing(role) }
        try check(tensor, shape: shape)
        return tensor
    }

    // MARK: - Vectors

    /// A norm's weight.
    func vector(_ role: TensorRole, size: Int) throws -> FloatMatrix {
        let name = names.weight(role)
        guard let tensor = tensor(name) else { throw ModelError.tensorMissing(name: name, file: fileName) }
        let out = try FloatMatrix(rows: 1, columns: size, in: arena, purpose: name)
        try decode(tensor, size: size, into: out, at: 0)
        return out
    }

    /// The stacked biases of several roles; nil where the checkpoint has none. Missing ones are zero.
    ///
    /// - Parameter isSplit: Of the shard's rows alone.
    func bias(
        _ roles: [(role: TensorRole, rows: Int)], isRequired: Bool, isSplit: Bool = false
    ) throws -> FloatMatrix? {
        let biases = roles.map { tensor(names.bias($0.role)) }
        if isRequired, let missing = biases.firstIndex(where: { $0 == nil }) {
            throw ModelError.tensorMissing(name: names.bias(roles[missing].role), file: fileName)
        }
        guard biases.contains(where: { $0 != nil }) else { return nil }
        let ranges = roles.map { isSplit ? shard.rows(of: $0.role, count: $0.rows) : 0..<$0.rows }
        let total = ranges.reduce(0) { $0 + $1.count }
        let out = try FloatMatrix(rows: 1, columns: total, in: arena, purpose: "biases")
        var column = 0
        for (index, (role, rows)) in roles.enumerated() {
            let range = ranges[index], order = rowOrder(role)
            if let bias = biases[index] {
                try decode(bias, size: rows, into: out, at: column, range, order: order)
            }
            column += range.count
        }
        return out
    }

    /// Some quantisers write biases of zeros for every module; others would be left out of the sum.
    private func checkHasNoBias(_ roles: [TensorRole], size: Int) throws {
        for role in roles {
            guard let bias = try bias([(role, size)], isRequired: false) else { continue }
            guard (0..<size).allSatisfy({ bias[0, $0] == 0 }) else {
                throw ModelError.unsupportedFeature("the bias \(names.bias(role))", file: fileName)
            }
        }
    }

    func rotaryDivisors() throws -> [Float]? {
        guard let name = configuration.ropeFrequencyDivisors, let tensor = tensor(name) else { return nil }
        let size = configuration.rotaryDimensions / 2
        let out = try FloatMatrix(rows: 1, columns: size, in: arena, purpose: name)
        try decode(tensor, size: size, into: out, at: 0)
        return (0..<size).map { out[0, $0] }
    }

    /// Undoes the row order that GGUF writers give to Q and K: of each head, file rows 2j and 2j + 1 rotate together
    /// and are rows j and j + headSize / 2 here.
    func rowOrder(_ role: TensorRole) -> (Int) -> Int {
        switch role {
        case .query, .key:
            guard architecture.ggufInterleavesRotaryRows, checkpoint.format == .gguf else { return { $0 } }
            let size = configuration.headSize
            return { row in
                let inHead = row % size
                return row - inHead + (inHead < size / 2 ? 2 * inHead : 2 * (inHead - size / 2) + 1)
            }
        default:
            return { $0 }
        }
    }

    /// Writes the elements of `range` (by default all), in `order`, from `column` on.
    private func decode(
        _ tensor: TensorView, size: Int, into out: FloatMatrix, at column: Int, _ range: Range<Int>? = nil,
        order: (Int) -> Int = { $0 }
    ) throws {
        try check(tensor, shape: [size])
        let format = try storageFormat(tensor)
        try tensor.withUnsafeBytes { bytes in
            let values = Dequantize.decode(bytes, format: format, elementCount: size)
            guard values.allSatisfy(\.isFinite) else { throw ModelError.notFinite(tensor: tensor.name, file: fileName) }
            let range = range ?? 0..<size
            for index in range { out[0, column + index - range.lowerBound] = values[order(index)] }
        }
    }

    func check(_ tensor: TensorView, shape: [Int]) throws {
        guard tensor.shape == shape else {
            throw ModelError.shapeMismatch(tensor: tensor.name, expected: shape, found: tensor.shape, file: fileName)
        }
    }

    func storageFormat(_ tensor: TensorView) throws -> StorageFormat {
        guard let format = StorageFormat(tensor.elementType) else {
            throw ModelError.unsupportedElementType(
                tensor: tensor.name, type: tensor.elementType.name, file: fileName)
        }
        return format
    }

    private func withBytes<Result>(
        of tensors: ArraySlice<TensorView>, _ gathered: [UnsafeRawBufferPointer],
        _ body: ([UnsafeRawBufferPointer]) throws -> Result
    ) throws -> Result {
        guard let first = tensors.first else { return try body(gathered) }
        return try first.withUnsafeBytes { try withBytes(of: tensors.dropFirst(), gathered + [$0], body) }
    }
}

extension StorageFormat {
    /// The kernels' name of a file's element type; nil for integers, which hold no weights.
    init?(_ type: ElementType) {
        switch type {
        case .float32: self = .float32
        case .float16: self = .float16
        case .bfloat16: self = .bfloat16
        case .q4_0: self = .q4_0
        case .q4_1: self = .q4_1
        case .q5_0: self = .q5_0
        case .q5_1: self = .q5_1
        case .q8_0: self = .q8_0
        case .q2_K: self = .q2_K
        case .q3_K: self = .q3_K
        case .q4_K: self = .q4_K
        case .q5_K: self = .q5_K
        case .q6_K: self = .q6_K
        default: return nil
        }
    }
}
