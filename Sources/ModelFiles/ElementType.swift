// How the elements of a tensor are stored.

/// The format of a tensor's elements. Only `isFloat` and the block formats hold weights; integers are told for what
/// they are, so that an error can name them.
public enum ElementType: Sendable, CaseIterable {
    case float64, float32, float16, bfloat16
    case q4_0, q4_1, q5_0, q5_1, q8_0
    case q2_K, q3_K, q4_K, q5_K, q6_K
    case float8E4M3, float8E5M2
    case bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64

    /// Elements a block holds; 1 where each stands for itself.
    public var blockElements: Int {
        switch self {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
        default: 1
        }
    }

    public var blockBytes: Int {
        switch self {
        case .bool, .int8, .uint8, .float8E4M3, .float8E5M2: 1
        case .float16, .bfloat16, .int16, .uint16: 2
        case .float32, .int32, .uint32: 4
        case .float64, .int64, .uint64: 8
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q2_K: 84
        case .q3_K: 110
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        }
    }

    /// As GGUF and safetensors write it.
    public var name: String {
        switch self {
        case .float64: "F64"
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        case .q4_0: "Q4_0"
        case .q4_1: "Q4_1"
        case .q5_0: "Q5_0"
        case .q5_1: "Q5_1"
        case .q8_0: "Q8_0"
        case .q2_K: "Q2_K"
        case .q3_K: "Q3_K"
        case .q4_K: "Q4_K"
        case .q5_K: "Q5_K"
        case .q6_K: "Q6_K"
        case .float8E4M3: "F8_E4M3"
        case .float8E5M2: "F8_E5M2"
        case .bool: "BOOL"
        case .int8: "I8"
        case .uint8: "U8"
        case .int16: "I16"
        case .uint16: "U16"
        case .int32: "I32"
        case .uint32: "U32"
        case .int64: "I64"
        case .uint64: "U64"
        }
    }

    /// Bytes of `elements` elements; nil if they don't fill whole blocks or the size does not fit an integer.
    public func byteCount(elements: Int) -> Int? {
        guard elements >= 0, elements % blockElements == 0 else { return nil }
        let (bytes, overflows) = (elements / blockElements).multipliedReportingOverflow(by: blockBytes)
        return overflows ? nil : bytes
    }

    /// Bytes of a tensor of this type; nil if the last dimension splits blocks or a product overflows.
    func byteCount(shape: [Int]) -> Int? {
        if let columns = shape.last, columns % blockElements != 0 { return nil }
        var elements = 1
        for dimension in shape {
            guard dimension >= 0 else { return nil }
            let (product, overflows) = elements.multipliedReportingOverflow(by: dimension)
            guard !overflows else { return nil }
            elements = product
        }
        return byteCount(elements: elements)
    }
}

extension ElementType {
    /// The type that safetensors calls `dtype`; nil if there is none here.
    init?(safetensors dtype: String) {
        let known: [ElementType] = [
            .float64, .float32, .float16, .bfloat16, .float8E4M3, .float8E5M2,
            .bool, .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64, .uint64,
        ]
        guard let type = known.first(where: { $0.name == dtype }) else { return nil }
        self = type
    }

    /// The type with the number `identifier` in GGUF (`enum ggml_type`); nil if there is none here.
    init?(gguf identifier: UInt32) {
        switch identifier {
        case 0: self = .float32
        case 1: self = .float16
        case 2: self = .q4_0
        case 3: self = .q4_1
        case 6: self = .q5_0
        case 7: self = .q5_1
        case 8: self = .q8_0
        case 10: self = .q2_K
        case 11: self = .q3_K
        case 12: self = .q4_K
        case 13: self = .q5_K
        case 14: self = .q6_K
        case 24: self = .int8
        case 25: self = .int16
        case 26: self = .int32
        case 27: self = .int64
        case 28: self = .float64
        case 30: self = .bfloat16
        default: return nil
        }
    }

    /// Names of GGUF types that exist but are not read, for the error.
    static func unsupportedName(gguf identifier: UInt32) -> String? {
        let names: [UInt32: String] = [
            9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
            22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
        ]
        return names[identifier]
    }
}
