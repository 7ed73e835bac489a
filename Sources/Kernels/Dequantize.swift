// Stored weights as fp32 numbers, bit for bit as the format defines them.

internal import CKernels

/// Decoding of block formats, for packing, biases and norms, and the reference mode.
public enum Dequantize {
    /// - Parameters:
    ///   - bytes: Whole blocks of `format`, at least `elementCount` elements; borrowed for the call.
    ///   - elementCount: A multiple of the format's block.
    /// - Returns: Shape [elementCount].
    public static func decode(_ bytes: UnsafeRawBufferPointer, format: StorageFormat, elementCount: Int) -> [Float] {
        precondition(elementCount >= 0 && elementCount % format.blockElements == 0, "not a whole number of blocks")
        precondition(
            elementCount / format.blockElements <= bytes.count / format.blockBytes, "fewer bytes than elements need")
        return [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
            if elementCount > 0, let blocks = bytes.baseAddress, let out = buffer.baseAddress {
                decode(blocks, format: format, elementCount: elementCount, into: out)
            }
            count = elementCount
        }
    }

    /// The same into the caller's memory: `out` holds `elementCount` floats, `blocks` as many elements in whole blocks.
    static func decode(
        _ blocks: UnsafeRawPointer, format: StorageFormat, elementCount: Int, into out: UnsafeMutablePointer<Float>
    ) {
        switch format {
        case .float32: pg_dequantize_f32(blocks, out, elementCount)
        case .float16: pg_dequantize_f16(blocks, out, elementCount)
        case .bfloat16: pg_dequantize_bf16(blocks, out, elementCount)
        case .q4_0: pg_dequantize_q4_0(blocks, out, elementCount)
        case .q4_1: pg_dequantize_q4_1(blocks, out, elementCount)
        case .q5_0: pg_dequantize_q5_0(blocks, out, elementCount)
        case .q5_1: pg_dequantize_q5_1(blocks, out, elementCount)
        case .q8_0: pg_dequantize_q8_0(blocks, out, elementCount)
        case .q2_K: pg_dequantize_q2_k(blocks, out, elementCount)
        case .q3_K: pg_dequantize_q3_k(blocks, out, elementCount)
        case .q4_K: pg_dequantize_q4_k(blocks, out, elementCount)
        case .q5_K: pg_dequantize_q5_k(blocks, out, elementCount)
        case .q6_K: pg_dequantize_q6_k(blocks, out, elementCount)
        }
    }
}
