// What each format calls the weights of a decoder.

internal import ModelFiles

/// A weight by its role, whatever a file calls it.
enum TensorRole {
    case tokenEmbedding, outputNorm, outputHead
    case attentionNorm(layer: Int), feedForwardNorm(layer: Int)
    case query(layer: Int), key(layer: Int), value(layer: Int), attentionOutput(layer: Int)
    case gate(layer: Int), up(layer: Int), down(layer: Int)
}

/// Names of roles in one format.
struct TensorNames {
    let format: CheckpointFormat

    func weight(_ role: TensorRole) -> String { module(role) + ".weight" }
    func bias(_ role: TensorRole) -> String { module(role) + ".bias" }

    /// What weights and biases belong to.
    func module(_ role: TensorRole) -> String {
        switch format {
        case .gguf: ggufName(role)
        case .safetensors: huggingFaceName(role)
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
        case .attentionOutput(let layer): "blk.\(layer).attn_output"
        case .gate(let layer): "blk.\(layer).ffn_gate"
        case .up(let layer): "blk.\(layer).ffn_up"
        case .down(let layer): "blk.\(layer).ffn_down"
        }
    }

    private func huggingFaceName(_ role: TensorRole) -> String {
        switch role {
        case .tokenEmbedding: "model.embed_tokens"
        case .outputNorm: "model.norm"
        case .outputHead: "lm_head"
        case .attentionNorm(let layer): "model.layers.\(layer).input_layernorm"
        case .feedForwardNorm(let layer): "model.layers.\(layer).post_attention_layernorm"
        case .query(let layer): "model.layers.\(layer).self_attn.q_proj"
        case .key(let layer): "model.layers.\(layer).self_attn.k_proj"
        case .value(let layer): "model.layers.\(layer).self_attn.v_proj"
        case .attentionOutput(let layer): "model.layers.\(layer).self_attn.o_proj"
        case .gate(let layer): "model.layers.\(layer).mlp.gate_proj"
        case .up(let layer): "model.layers.\(layer).mlp.up_proj"
        case .down(let layer): "model.layers.\(layer).mlp.down_proj"
        }
    }
}
