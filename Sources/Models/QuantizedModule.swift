// The tensors of a quantised module → codes, scales and zero points.

internal import Kernels
internal import ModelFiles

/// A linear module of a quantised checkpoint, checked; its codes are still the file's.
struct QuantizedModule {
    /// The tensor of codes, of the shape that `layout` wants.
    let codes: TensorView
    let layout: IntegerLayout
    let rows: Int
    let columns: Int
    /// Shape [rows, groupCount], as are the zero points.
    let scales: [Float]
    let zeroPoints: [Int16]
    let groupOfColumn: [Int32]
    let groupCount: Int

    /// Some of its rows.
    ///
    /// - Parameter bytes: Those of `codes`; must outlive the result.
    func matrix(codes bytes: UnsafeRawBufferPointer, rows range: Range<Int>) -> CodedMatrix {
        CodedMatrix(
            codes: PackedIntegers(bytes: bytes, layout: layout, rowCount: rows, columnCount: columns), scales: scales,
            zeroPoints: zeroPoints, groupOfColumn: groupOfColumn, groupCount: groupCount, rows: range)
    }
}

extension WeightLoader {
    /// How the checkpoint quantises `role`, and its tensor of codes; nil where it holds the weights themselves. What is
    /// there decides: quantisers leave out modules that their configuration does not name.
    func quantizedModule(_ role: TensorRole) -> (scheme: ModuleQuantization, codes: TensorView)? {
        let name = names.module(role)
        guard let scheme = checkpoint.quantization?.scheme(ofModule: name) else { return nil }
        switch scheme.storage {
        case .gptq, .awq: return tensor(name + ".qweight").map { (scheme, $0) }
        case .packed: return tensor(name + ".weight_packed").map { (scheme, $0) }
        case .int8:
            guard let weight = tensor(name + ".weight"), weight.elementType == .int8 else { return nil }
            return (scheme, weight)
        }
    }

    /// Whether the checkpoint has weights of `role` in any form.
    func hasWeights(_ role: TensorRole) -> Bool {
        tensor(names.weight(role)) != nil || quantizedModule(role) != nil
    }

    /// The error for weights that are there in no form.
    func missing(_ role: TensorRole) -> ModelError {
        let name = names.module(role)
        if checkpoint.quantization?.scheme(ofModule: name) == nil,
            let codes = ["qweight", "weight_packed"].map({ "\(name).\($0)" }).first(where: { tensor($0) != nil })
        {
            return .quantizationNotNamed(tensor: codes, file: fileName)
        }
        switch checkpoint.quantization?.scheme(ofModule: name)?.storage {
        case .gptq, .awq: return .tensorMissing(name: name + ".qweight", file: fileName)
        case .packed: return .tensorMissing(name: name + ".weight_packed", file: fileName)
        case .int8, nil: return .tensorMissing(name: names.weight(role), file: fileName)
        }
    }

    /// Reads and checks all but the codes of `role`; nil where the checkpoint holds the weights themselves.
    func module(_ role: TensorRole, rows: Int, columns: Int) throws -> QuantizedModule? {
        guard let (scheme, codes) = quantizedModule(role) else { return nil }
        let name = names.module(role)
        let size = scheme.groupSize.map { min($0, columns) } ?? columns
        guard columns % size == 0 else {
            throw ModelError.groupSizeDoesNotDivide(groupSize: size, columns: columns, module: name, file: fileName)
        }
        let groups = columns / size, layout = scheme.layout
        guard !layout.isInterleaved || rows % 8 == 0 else {
            throw ModelError.unsupportedFeature(
                "AWQ for the \(rows) rows of \(name), no multiple of 8,", file: fileName)
        }
        guard !layout.isSigned || columns % 4 == 0 else {
            throw ModelError.unsupportedFeature(
                "int-quantized for the \(columns) columns of \(name), no multiple of 4,", file: fileName)
        }
        if layout.isSigned {
            try check(codes, shape: [rows, columns])
        } else {
            try checkWords(codes, layout, rows: rows, columns: columns)
        }
        let groupOfColumn = try groupOfColumn(name, scheme, columns: columns, groups: groups)
        return QuantizedModule(
            codes: codes, layout: layout, rows: rows, columns: columns,
            scales: try scales(name, scheme, rows: rows, groups: groups),
            zeroPoints: try zeroPoints(name, scheme, rows: rows, groups: groups), groupOfColumn: groupOfColumn,
            groupCount: groups)
    }

    // MARK: - Parts

    private func require(_ name: String) throws -> TensorView {
        guard let tensor = tensor(name) else { throw ModelError.tensorMissing(name: name, file: fileName) }
        return tensor
    }

    private func checkWords(_ tensor: TensorView, _ layout: IntegerLayout, rows: Int, columns: Int) throws {
        guard tensor.elementType == .int32 || tensor.elementType == .uint32 else {
            throw ModelError.unsupportedElementType(
                tensor: tensor.name, type: tensor.elementType.name, file: fileName)
        }
        try check(tensor, shape: layout.wordShape(rows: rows, columns: columns))
    }

    /// Shape [rows, groups].
    private func scales(_ name: String, _ scheme: ModuleQuantization, rows: Int, groups: Int) throws -> [Float] {
        let tensor = try require("\(name).\(scheme.scalesName)")
        let format = try storageFormat(tensor)
        guard format.blockElements == 1 else {
            throw ModelError.unsupportedElementType(
                tensor: tensor.name, type: tensor.elementType.name, file: fileName)
        }
        let count = tensor.shape.reduce(1, *)
        let isSingle = !scheme.isGroupMajor && groups == 1 && count == 1
        if !isSingle {
            // A vector is how some write one scale a row.
            let isVector = !scheme.isGroupMajor && groups == 1 && tensor.shape == [rows]
            if !isVector { try check(tensor, shape: scheme.isGroupMajor ? [groups, rows] : [rows, groups]) }
        }
        let values = tensor.withUnsafeBytes { Dequantize.decode($0, format: format, elementCount: count) }
        guard values.allSatisfy(\.isFinite) else {
            throw ModelError.notFinite(tensor: tensor.name, file: fileName)
        }
        if isSingle { return [Float](repeating: values[0], count: rows) }
        return scheme.isGroupMajor ? transposed(values, rows: groups, columns: rows) : values
    }

    /// Shape [rows, groups].
    private func zeroPoints(_ name: String, _ scheme: ModuleQuantization, rows: Int, groups: Int) throws -> [Int16] {
        guard let (tensorName, offset) = scheme.zeroPoints else {
            return [Int16](repeating: Int16(1 << (scheme.layout.bits - 1)), count: rows * groups)
        }
        let tensor = try require("\(name).\(tensorName)")
        if tensor.elementType == .int8 {
            // compressed-tensors, whose int8 has no packing: the offset from a signed to an unsigned code is added.
            try check(tensor, shape: [rows, groups])
            let middle = 1 << (scheme.layout.bits - 1)
            let values = tensor.withUnsafeBytes { bytes in bytes.map { Int(Int8(bitPattern: $0)) + middle } }
            guard values.allSatisfy({ (0...256).contains($0) }) else {
                throw ModelError.valueOutOfRange(tensor: tensor.name, range: -middle...middle, file: fileName)
            }
            return values.map { Int16($0) }
        }
        let layout = scheme.zeroPointLayout
        try checkWords(tensor, layout, rows: rows, columns: groups)
        return tensor.withUnsafeBytes { bytes in
            PackedIntegers(bytes: bytes, layout: layout, rowCount: rows, columnCount: groups).values()
                .map { Int16($0) + Int16(offset) }
        }
    }

    /// Shape [columns].
    private func groupOfColumn(
        _ name: String, _ scheme: ModuleQuantization, columns: Int, groups: Int
    ) throws -> [Int32] {
        // Some write an empty index for one that is not needed.
        guard groups > 1, let indexName = scheme.groupIndexName, let tensor = tensor("\(name).\(indexName)"),
            tensor.shape != [0]
        else { return (0..<columns).map { Int32($0 / (columns / groups)) } }
        guard tensor.elementType == .int32 else {
            throw ModelError.unsupportedElementType(
                tensor: tensor.name, type: tensor.elementType.name, file: fileName)
        }
        try check(tensor, shape: [columns])
        let indices = tensor.withUnsafeBytes { bytes in
            (0..<columns).map {
                Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self))
            }
        }
        guard indices.allSatisfy({ $0 >= 0 && $0 < groups }) else {
            throw ModelError.valueOutOfRange(tensor: tensor.name, range: 0...groups - 1, file: fileName)
        }
        return indices
    }
}

private func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
    (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
}

extension ModuleQuantization {
    fileprivate var layout: IntegerLayout {
        switch storage {
        case .gptq: IntegerLayout(bits: bits, packed: .columns, outer: .columns)
        case .awq: IntegerLayout(bits: bits, packed: .rows, outer: .columns, isInterleaved: true)
        case .packed: IntegerLayout(bits: bits, packed: .columns, outer: .rows)
        // Narrower codes too have a byte each.
        case .int8: IntegerLayout(bits: 8, packed: .columns, outer: .rows, isSigned: true)
        }
    }

    /// Of a matrix [rows, groups].
    fileprivate var zeroPointLayout: IntegerLayout {
        switch storage {
        case .gptq, .awq:
            IntegerLayout(bits: bits, packed: .rows, outer: .columns, isInterleaved: layout.isInterleaved)
        case .packed, .int8: IntegerLayout(bits: bits, packed: .rows, outer: .rows)
        }
    }

    fileprivate var scalesName: String {
        switch storage {
        case .gptq, .awq: "scales"
        case .packed, .int8: "weight_scale"
        }
    }

    /// Whether scales are [groups, rows].
    fileprivate var isGroupMajor: Bool { scalesName == "scales" }

    /// The tensor of zero points, and what is added to what it holds; nil: all in the middle.
    fileprivate var zeroPoints: (name: String, offset: Int)? {
        switch storage {
        case .gptq(let offset): ("qzeros", offset)
        case .awq(let hasZeroPoints): hasZeroPoints ? ("qzeros", 0) : nil
        case .packed(let isSymmetric), .int8(let isSymmetric): isSymmetric ? nil : ("weight_zero_point", 0)
        }
    }

    fileprivate var groupIndexName: String? {
        switch storage {
        case .gptq: "g_idx"
        case .packed: "weight_g_idx"
        case .awq, .int8: nil
        }
    }
}
