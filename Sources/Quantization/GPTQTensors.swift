// The tensors of the GPTQ format, version 1.

internal import ModelFiles

/// P.qweight [K·bits/32, N], P.qzeros [G, N·bits/32], P.scales [G, N] and P.g_idx [K] of a module P with N outputs and
/// K inputs in G groups. Codes follow each other in words, low end first: down the columns of qweight, along the rows
/// of qzeros. Zero points are stored less one.
enum GPTQTensors {
    static func descriptions(
        module: String, rows: Int, columns: Int, groups: Int, bits: Int
    ) -> [TensorDescription] {
        [
            TensorDescription(
                name: module + ".qweight", elementType: .int32, shape: [columns * bits / 32, rows]),
            TensorDescription(name: module + ".qzeros", elementType: .int32, shape: [groups, rows * bits / 32]),
            TensorDescription(name: module + ".scales", elementType: .float16, shape: [groups, rows]),
            TensorDescription(name: module + ".g_idx", elementType: .int32, shape: [columns]),
        ]
    }
}
