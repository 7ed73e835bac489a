import Foundation
import Kernels
import ModelFiles
import Models
import Testing

/// One way in which a checkpoint can be wrong, and words that the error must say.
private struct Damage: Sendable, CustomTestStringConvertible {
    let name: String
    let words: [String]
    let fixture: String
    let cut: [String: Int]
    let edit: @Sendable (inout EditableCheckpoint) throws -> Void

    var testDescription: String { name }

    init(
        _ name: String, _ words: String..., of fixture: String = "gptq-4bit-g32", cut: [String: Int] = [:],
        _ edit: @escaping @Sendable (inout EditableCheckpoint) throws -> Void = { _ in }
    ) {
        self.name = name
        self.words = words
        self.fixture = fixture
        self.cut = cut
        self.edit = edit
    }
}

private let single = "model.safetensors", query = "q_proj"
private let shard = "model-00002-of-00002.safetensors", index = "model.safetensors.index.json"
private let sharded = "gptq-dynamic-sharded", packed = "ct-w4a16-g32-asymmetric"

private func setLast(_ bytes: [UInt8]) -> @Sendable (inout EditableCheckpoint.Tensor) -> Void {
    { $0.bytes.replaceSubrange($0.bytes.count - bytes.count..<$0.bytes.count, with: bytes) }
}

private let qwen = "qwen-gptq-4bit-g32"

private let damages: [Damage] = [
    // Files.
    Damage("cut in the header", "ends before", cut: [single: 100]),
    Damage("cut in the length", "ends before", cut: [single: 5]),
    Damage("cut in the data", "lies at", cut: [single: 20_000]),
    Damage("empty", "is empty", cut: [single: 0]),
    Damage("no weights", "has no model.safetensors") { $0.tensors = [:] },
    Damage("a pickle instead of weights", "pytorch_model.bin", "pickle") {
        $0.tensors = [:]
        $0.files["pytorch_model.bin"] = [0x80, 2]
    },
    Damage("a Git LFS pointer", "Git LFS") {
        $0.tensors = [:]
        $0.files[single] = Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\n".utf8)
    },
    Damage("a shard is missing", shard, "has no", of: sharded) { $0.tensors[shard] = nil },
    Damage("a shard is cut", "ends before", shard, of: sharded, cut: [shard: 64]),
    Damage("the index names a tensor that its shard has not", "is missing from this shard", of: sharded) {
        try $0.replace("\"weight_map\": {", by: "\"weight_map\": {\"a.b\": \"\(shard)\",", in: index)
    },
    Damage("the index leads out of the folder", "same folder", of: sharded) {
        try $0.replace("\"\(shard)\"", by: "\"../\(shard)\"", in: index)
    },
    Damage("the index names pickles", "pickle", of: sharded) {
        try $0.replace("\"\(shard)\"", by: "\"pytorch_model-2.bin\"", in: index)
    },
    Damage("the index has no map", "weight_map", of: sharded) { $0.files[index] = Array("{}".utf8) },
    Damage("the index is cut", "not valid JSON", of: sharded, cut: [index: 50]),
    Damage("config.json is cut", "not valid JSON", cut: ["config.json": 200]),
    Damage("no config.json", "config.json") { $0.files = [:] },
    // Headers.
    Damage("a tensor claims more bytes than it has", "bytes") {
        try $0.change("q_proj.qweight") { $0.claimedBytes = 99_999_999 }
    },
    Damage("a shape that its bytes don't fill", "does not take") {
        try $0.change("q_proj.qweight") { $0.shape = [8, 65] }
    },
    Damage("a shape whose product overflows", "does not take") {
        try $0.change("q_proj.qweight") { $0.shape = [1 << 40, 1 << 40] }
    },
    Damage("a type that does not exist", "F7") { try $0.change("q_proj.scales") { $0.type = "F7" } },
    // Shapes that are consistent, and wrong.
    Damage("codes transposed", "qweight", "[64, 8]", "[8, 64]") {
        try $0.change("q_proj.qweight") { $0.shape = [64, 8] }
    },
    Damage("codes in one dimension", "[512]") { try $0.change("q_proj.qweight") { $0.shape = [512] } },
    Damage("codes without elements", "[0]") {
        try $0.change("q_proj.qweight") {
            $0.shape = [0]
            $0.bytes = []
        }
    },
    Damage("scales of half as many groups", "scales", "[1, 64]") {
        try $0.change("q_proj.scales") {
            $0.shape = [1, 64]
            $0.bytes.removeLast(128)
        }
    },
    Damage("zero points transposed", "qzeros", "[8, 2]") { try $0.change("q_proj.qzeros") { $0.shape = [8, 2] } },
    Damage("an index of groups that is too short", "g_idx", "[60]") {
        try $0.change("q_proj.g_idx") {
            $0.shape = [60]
            $0.bytes.removeLast(16)
        }
    },
    Damage("a norm of another size", "input_layernorm", "[32]") {
        try $0.change("input_layernorm.weight") {
            $0.shape = [32]
            $0.bytes.removeLast(64)
        }
    },
    Damage("an embedding of a smaller vocabulary", "embed_tokens", "[32, 64]") {
        try $0.change("embed_tokens.weight") {
            $0.shape = [32, 64]
            $0.bytes.removeLast(32 * 128)
        }
    },
    Damage("the configuration's hidden size is another", "embed_tokens", "128") {
        try $0.replace("\"hidden_size\": 64", by: "\"hidden_size\": 128")
    },
    Damage("the configuration has more layers", "model.layers.1") {
        try $0.replace("\"num_hidden_layers\": 1", by: "\"num_hidden_layers\": 2")
    },
    // Types.
    Damage("codes of fp32", "qweight", "F32") { try $0.change("q_proj.qweight") { $0.type = "F32" } },
    Damage("scales of integers", "scales", "I16") { try $0.change("q_proj.scales") { $0.type = "I16" } },
    Damage("zero points of fp32", "qzeros", "F32") { try $0.change("q_proj.qzeros") { $0.type = "F32" } },
    Damage("an index of groups of fp32", "g_idx", "F32") { try $0.change("q_proj.g_idx") { $0.type = "F32" } },
    Damage("an embedding of integers", "embed_tokens", "I16") {
        try $0.change("embed_tokens.weight") { $0.type = "I16" }
    },
    // Numbers.
    Damage("a scale that is NaN", "scales", "NaN") { try $0.change("q_proj.scales", setLast([0, 0x7e])) },
    Damage("a scale that is infinite", "scales", "NaN") { try $0.change("o_proj.scales", setLast([0, 0x7c])) },
    Damage("a bf16 scale that is NaN", "weight_scale", "NaN", of: packed) {
        try $0.change("q_proj.weight_scale", setLast([0xc0, 0x7f]))
    },
    Damage("a norm that is NaN", "norm", "NaN") { try $0.change("model.norm.weight", setLast([0, 0x7e])) },
    Damage("a group beyond the last one", "g_idx", "0 to 1") { try $0.change("q_proj.g_idx", setLast([2, 0, 0, 0])) },
    Damage("a negative group", "g_idx", "0 to 1") { try $0.change("q_proj.g_idx", setLast([255, 255, 255, 255])) },
    // What the scheme says.
    Damage("a group size that does not divide", "48", "does not divide") {
        try $0.replace("\"group_size\": 32", by: "\"group_size\": 48")
    },
    Damage("a smaller group size than the scales have", "scales") {
        try $0.replace("\"group_size\": 32", by: "\"group_size\": 16")
    },
    Damage("a group size of nothing", "group_size") { try $0.replace("\"group_size\": 32", by: "\"group_size\": 0") },
    Damage("a group size beyond all integers", "group_size") {
        try $0.replace("\"group_size\": 32", by: "\"group_size\": 1e300")
    },
    Damage("another width than the codes have", "qweight", "[16, ") {
        try $0.replace("\"bits\": 4", by: "\"bits\": 8")
    },
    Damage("a width that is not supported", "6 bits", "2, 3, 4 or 8") {
        try $0.replace("\"bits\": 4", by: "\"bits\": 6")
    },
    Damage("an unknown scheme", "exl2", "gptq") { try $0.replace("\"gptq\"", by: "\"exl2\"") },
    Damage("another scheme than the tensors'", "qweight") {
        try $0.replace("\"quant_method\": \"gptq\"", by: "\"version\": \"gemm\", \"quant_method\": \"awq\"")
    },
    Damage("no scheme for quantised tensors", "qweight", "quantization_config") {
        try $0.replace("quantization_config", by: "other")
    },
    Damage("a pattern that would need backtracking", "(?!a)", of: sharded) {
        try $0.replace("-:.*", by: "-:(?!a).*")
    },
    // Missing tensors.
    Damage("no codes", "q_proj.qweight") { try $0.remove("q_proj.qweight") },
    Damage("no scales", "q_proj.scales") { try $0.remove("q_proj.scales") },
    Damage("no zero points", "q_proj.qzeros") { try $0.remove("q_proj.qzeros") },
    Damage("no norm", "input_layernorm") { try $0.remove("input_layernorm.weight") },
    Damage("no head", "lm_head") { try $0.remove("lm_head.weight") },
    Damage("no bias where the family has one", "q_proj.bias", of: "awq-g32") { try $0.remove("q_proj.bias") },
    Damage("AWQ without zero points", "qzeros", of: "awq-g32") { try $0.remove("q_proj.qzeros") },
    Damage("AWQ scales of another shape", "scales", of: "awq-g32") {
        try $0.change("q_proj.scales") { $0.shape.reverse() }
    },
    Damage("packed codes of another shape", "weight_packed", of: packed) {
        try $0.change("q_proj.weight_packed") { $0.shape.reverse() }
    },
    Damage("asymmetric without zero points", "weight_zero_point", of: packed) {
        try $0.remove("q_proj.weight_zero_point")
    },
    Damage("8-bit weights without a scale", "weight_scale", of: "ct-w8a8") { try $0.remove("q_proj.weight_scale") },
    Damage("8-bit weights of another shape", "q_proj.weight", of: "ct-w8a8") {
        try $0.change("q_proj.weight") { $0.shape = [32, 128] }
    },
    Damage("8-bit weights without a scheme", "I8", of: "ct-w8a8") {
        try $0.replace("quantization_config", by: "other")
    },
    // First-generation Qwen.
    Damage("Qwen without the bias of Q, K and V", "attn.c_attn.bias", of: qwen) { try $0.remove("attn.c_attn.bias") },
    Damage("Qwen without its fused Q, K and V", "attn.c_attn.qweight", of: qwen) {
        try $0.remove("attn.c_attn.qweight")
    },
    Damage("Qwen with a bias in the feed-forward", "mlp.w1.bias", of: qwen) {
        try $0.change("mlp.w1.bias") { $0.bytes[0] = 1 }
    },
    Damage("Qwen with a feed-forward of odd width", "intermediate_size", "twice", of: qwen) {
        try $0.replace("\"intermediate_size\": 192", by: "\"intermediate_size\": 191")
    },
    Damage("Qwen without the scale of attention", "scale_attn_weights", of: qwen) {
        try $0.replace("\"scale_attn_weights\": true", by: "\"scale_attn_weights\": false")
    },
    Damage("Qwen that rotates nothing", "rotary_pct", of: qwen) {
        try $0.replace("\"rotary_pct\": 1.0", by: "\"rotary_pct\": 0.1")
    },
    Damage("Qwen trained on one token", "seq_length", of: qwen) {
        try $0.replace("\"seq_length\": 24", by: "\"seq_length\": 1")
    },
]

@Suite("Damaged checkpoints")
struct DamagedCheckpointTests {
    private func load(_ path: String) throws -> LocalExecutor {
        var options = LocalExecutorOptions()
        options.maximumModelLength = 32
        return try LocalExecutor(ModelCheckpoint.open(path: path), options: options)
    }

    @Test("there are at least fifty kinds of damage")
    func count() {
        #expect(damages.count >= 50)
        #expect(Set(damages.map(\.name)).count == damages.count)
    }

    @Test("damage is an error that says what is wrong, within a second", arguments: damages)
    fileprivate func refused(damage: Damage) throws {
        var checkpoint = try EditableCheckpoint(
            Golden.folder.appending(path: "quantized").appending(path: damage.fixture))
        try damage.edit(&checkpoint)
        try checkpoint.withFolder(cut: damage.cut) { path in
            let start = ContinuousClock.now
            do {
                _ = try load(path)
                Issue.record("loaded")
            } catch {
                #expect(error is ModelFileError || error is ModelError, "\(error)")
                for word in damage.words { #expect("\(error)".contains(word), "\(error)") }
            }
            #expect(ContinuousClock.now - start < .seconds(1))
        }
    }

    @Test("biases of zeros, which some quantisers write everywhere, are taken; others that no sum has are refused")
    func biases() throws {
        let folder = Golden.folder.appending(path: "quantized/gptq-4bit-g32")
        for value: UInt8 in [0, 0x3c] {
            var checkpoint = try EditableCheckpoint(folder)
            let bias = EditableCheckpoint.Tensor(
                name: "model.layers.0.mlp.up_proj.bias", type: "F16", shape: [96],
                bytes: (0..<192).map { $0 == 191 ? value : 0 })
            checkpoint.tensors[single]?.append(bias)
            try checkpoint.withFolder { path in
                if value == 0 {
                    _ = try load(path)
                } else {
                    #expect(throws: ModelError.self) { _ = try load(path) }
                }
            }
        }
    }

    @Test("an undamaged copy loads")
    func undamaged() throws {
        for fixture in ["gptq-4bit-g32", sharded, packed] {
            let folder = Golden.folder.appending(path: "quantized").appending(path: fixture)
            try EditableCheckpoint(folder).withFolder { path in
                _ = try load(path)
            }
        }
    }
}
