// What each format calls the weights of a decoder.

internal import ModelFiles

/// A weight by its role, whatever a file calls it.
enum TensorRole {
    case tokenEmbedding, outputNorm, outputHead
    case attentionNorm(layer: Int), feedForwardNorm(layer: Int)
    case query(layer: Int), key(layer: Int), value(layer: Int), attentionOutput(layer: Int)
    /// Q, K and V, where they are one tensor with their rows in this order.
    case queryKeyValue(layer: Int)
    case gate(layer: Int), up(layer: Int), down(layer: Int)
}

/// Names of roles in one format.
struct TensorNames {
    /// Of Hugging Face folders.
    enum Convention { case llama, qwen }

    let format: CheckpointFormat
    let convention: Convention

    /// Those of a checkpoint; of an unknown architecture the commonest.
    init(_ checkpoint: ModelCheckpoint) {
        format = checkpoint.format
        convention = (try? DecoderArchitecture.named(checkpoint.configuration.architecture))?.naming ?? .llama
    }

    /// The matrices that make Q, K and V, in the order of their rows.
    func queryKeyValue(layer: Int) -> [TensorRole] {
        format == .safetensors && convention == .qwen
            ? [.queryKeyValue(layer: layer)] : [.query(layer: layer), .key(layer: layer), .value(layer: layer)]
    }

    func weight(_ role: TensorRole) -> String { module(role) + ".weight" }
    func bias(_ role: TensorRole) -> String { module(role) + ".bias" }

    /// What weights and biases belong to.
    func module(_ role: TensorRole) -> String {
        switch format {
        case .gguf: ggufName(role)
        case .safetensors: convention == .qwen ? qwenName(role) : llamaName(role)
        }
    }

    private func ggufName(_ role: TensorRole) -> String {
        switch role {
        case .tokenEmbedding: "token_embd"
        case .outputNorm: "output_norm"
        case .outputHead: "output"
        case .attentionNorm(let layer): "blk.\(layer).attn_norm"
        case .feedForwardNorm(let layer): "blk.\(layer).ffn_norm"
        case .query(let layer): "blk.\(layer).attn_q"
        case .key(let layer): "blk.\(layer).attn_k"
        case .value(let layer): "blk.\(layer).attn_v"
        case .queryKeyValue(let layer): "blk.\(layer).attn_qkv"
        case .attentionOutput(let layer): "blk.\(layer).attn_output"
        case .gate(let layer): "blk.\(layer).ffn_gate"
        case .up(let layer): "blk.\(layer).ffn_up"
        case .down(let layer): "blk.\(layer).ffn_down"
        }
    }

    private func llamaName(_ role: TensorRole) -> String {
        switch role {
        case .tokenEmbedding: "model.embed_tokens"
        case .outputNorm: "model.norm"
        case .outputHead: "lm_head"
        case .attentionNorm(let layer): "model.layers.\(layer).input_layernorm"
        case .feedForwardNorm(let layer): "model.layers.\(layer).post_attention_layernorm"
        case .query(let layer): "model.layers.\(layer).self_attn.q_proj"
        case .key(let layer): "model.layers.\(layer).self_attn.k_proj"
        case .value(let layer): "model.layers.\(layer).self_attn.v_proj"
        case .queryKeyValue(let layer): "model.layers.\(layer).self_attn.qkv_proj"
        case .attentionOutput(let layer): "model.layers.\(layer).self_attn.o_proj"
        case .gate(let layer): "model.layers.\(layer).mlp.gate_proj"
        case .up(let layer): "model.layers.\(layer).mlp.up_proj"
        case .down(let layer): "model.layers.\(layer).mlp.down_proj"
        }
    }

    /// `QWenLMHeadModel`; w2 is the gate.
    private func qwenName(_ role: TensorRole) -> String {
        switch role {
        case .tokenEmbedding: "transformer.wte"
        case .outputNorm: "transformer.ln_f"
        case .outputHead: "lm_head"
        case .attentionNorm(let layer): "transformer.h.\(layer).ln_1"
        case .feedForwardNorm(let layer): "transformer.h.\(layer).ln_2"
        case .query(let layer), .key(let layer), .value(let layer), .queryKeyValue(let layer):
            "transformer.h.\(layer).attn.c_attn"
        case .attentionOutput(let layer): "transformer.h.\(layer).attn.c_proj"
        case .gate(let layer): "transformer.h.\(layer).mlp.w2"
        case .up(let layer): "transformer.h.\(layer).mlp.w1"
        case .down(let layer): "transformer.h.\(layer).mlp.c_proj"
        }
    }
}
