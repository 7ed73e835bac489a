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

    var names: TensorNames { TensorNames(format: checkpoint.format, family: architecture.tensorNames) }
    var configuration: ModelConfiguration { checkpoint.configuration }
    var fileName: String { checkpoint.weights.fileName }

    func tensor(_ name: String) -> TensorView? {
        checkpoint.weights.tensor(named: name)
    }

    // MARK: - Matrices, of which the shard's rows are read

    /// Rows of a tensor that become rows of a packed matrix: the checkpoint's, of which a shard takes its share.
    struct RowRange {
        let role: TensorRole
        let count: Int
        /// Where they start in a tensor of `total` rows; 0 and nil: they are the whole tensor.
        var first = 0
        var total: Int?
        /// The tensor's dimensions before its columns, where it is no matrix.
        var leadingShape: [Int]?
        /// How ranks share them, where the role alone does not say.
        var split: SplitAxis?

        func shape(columns: Int) -> [Int] { (leadingShape ?? [total ?? count]) + [columns] }

        /// The tensor's rows that a shard has.
        func rows(in shard: ModelShard) -> Range<Int> {
            let own = shard.rows(split ?? role.split, count: count)
            return first + own.lowerBound..<first + own.upperBound
        }
    }

    /// The packed weights of one role.
    func matrix(_ role: TensorRole, rows: Int, columns: Int, rounding: RoundedForm?) throws -> PackedMatrix {
        try matrix([RowRange(role: role, count: rows)], columns: columns, rounding: rounding)
    }

    /// Stacked rows as one packed matrix.
    ///
    /// - Parameters:
    ///   - other: A matrix that reads the same activations.
    ///   - exact: Dequantise what is in fewer than 16 bits, as in reference mode.
    func matrix(
        _ ranges: [RowRange], columns: Int, rounding: RoundedForm?, sharingInputOf other: PackedMatrix? = nil,
        exact: Bool = false
    ) throws -> PackedMatrix {
        let modules = try ranges.map { try module($0.role, rows: $0.total ?? $0.count, columns: columns) }
        // Of a module its codes, else the weights themselves.
        let tensors = try zip(ranges, modules).map { range, module in
            try module?.codes ?? stored(range.role, shape: range.shape(columns: columns))
        }
        defer { for tensor in tensors { tensor.releasePages() } }
        let purpose = tensors[0].name
        return try withBytes(of: tensors[...], []) { bytes in
            let sources = try ranges.indices.map { index -> WeightRows in
                let range = ranges[index], order = rowOrder(range.role), rows = range.rows(in: shard)
                if let module = modules[index] { return .coded(module.matrix(codes: bytes[index], rows: rows)) }
                return .stored(
                    MatrixSource(
                        bytes: bytes[index], format: try storageFormat(tensors[index]), rowCount: rows.count,
                        rowOrder: { order(rows.lowerBound + $0) }))
            }
            let isRounded = modules.contains { $0 != nil } || tensors.contains { $0.elementType.blockElements > 1 }
            let isExact = asFloat32 || exact && isRounded
            let stored = sources.compactMap { if case .stored(let source) = $0 { source } else { nil } }
            guard stored.count == sources.count else {
                return try PackedMatrix(
                    packing: sources, columnCount: columns, asFloat32: isExact, sharingInputOf: other, in: arena,
                    purpose: purpose, pool: pool)
            }
            // Embeddings and heads are too large for file and panels to be in memory together.
            let packed: (Range<Int>) -> Void = { rows in
                if ranges.count == 1, ranges[0].total == nil { tensors[0].releasePages(rows: rows) }
            }
            if let rounding, !asFloat32, columns % 32 == 0, tensors.allSatisfy({ $0.elementType.blockElements == 1 }) {
                return try PackedMatrix(
                    rounding: stored, to: rounding, columnCount: columns, in: arena, purpose: purpose, pool: pool,
                    packed: packed)
            }
            return try PackedMatrix(
                packing: stored, columnCount: columns, asFloat32: isExact, in: arena, purpose: purpose, pool: pool,
                packed: packed)
        }
    }

    private func stored(_ role: TensorRole, shape: [Int]) throws -> TensorView {
        guard let tensor = tensor(names.weight(role)) else { throw missing(role) }
        try check(tensor, shape: shape)
        return tensor
    }

    // MARK: - Vectors

    /// A norm's weight.
    func norm(_ role: TensorRole, size: Int) throws -> FloatMatrix {
        let name = names.weight(role)
        guard let tensor = tensor(name) else { throw ModelError.tensorMissing(name: name, file: fileName) }
        let out = try FloatMatrix(rows: 1, columns: size, in: arena, purpose: name)
        try decode(tensor, size: size, into: out, at: 0)
        if architecture.normsAreLessOne, checkpoint.format == .safetensors {
            for column in 0..<size { out[0, column] += 1 }
        }
        return out
    }

    /// The stacked biases of several roles; nil where the checkpoint has none. Missing ones are zero.
    ///
    /// - Parameter isSplit: Of the shard's rows alone.
    func bias(_ ranges: [RowRange], isRequired: Bool, isSplit: Bool = false) throws -> FloatMatrix? {
        let biases = ranges.map { tensor(names.bias($0.role)) }
        if isRequired, let missing = biases.firstIndex(where: { $0 == nil }) {
            throw ModelError.tensorMissing(name: names.bias(ranges[missing].role), file: fileName)
        }
        guard biases.contains(where: { $0 != nil }) else { return nil }
        let wanted = ranges.map { isSplit ? $0.rows(in: shard) : $0.first..<$0.first + $0.count }
        let total = wanted.reduce(0) { $0 + $1.count }
        let out = try FloatMatrix(rows: 1, columns: total, in: arena, purpose: "biases")
        var column = 0
        for (index, range) in ranges.enumerated() {
            if let bias = biases[index] {
                try decode(
                    bias, size: range.total ?? range.count, into: out, at: column, wanted[index],
                    order: rowOrder(range.role))
            }
            column += wanted[index].count
        }
        return out
    }

    /// Some quantisers write biases of zeros for every module; others would be left out of the sum.
    func checkHasNoBias(_ roles: [TensorRole], size: Int) throws {
        for role in roles {
            guard let bias = try bias([RowRange(role: role, count: size)], isRequired: false) else { continue }
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
        defer { tensor.releasePages() }
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
