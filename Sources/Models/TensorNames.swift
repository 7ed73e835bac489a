// What each format calls the weights of a decoder.

internal import ModelFiles

/// A weight by its role, whatever a file calls it.
enum TensorRole {
    case tokenEmbedding, outputNorm, outputHead
    case attentionNorm(layer: Int), feedForwardNorm(layer: Int)
    /// Of what attention and feed-forward add to the residual stream.
    case attentionOutputNorm(layer: Int), feedForwardOutputNorm(layer: Int)
    case query(layer: Int), key(layer: Int), value(layer: Int), attentionOutput(layer: Int)
    case queryNorm(layer: Int), keyNorm(layer: Int)
    case gate(layer: Int), up(layer: Int), down(layer: Int)
    /// Q, K and V as one tensor, and gate and up.
    case queryKeyValue(layer: Int), gateUp(layer: Int)
    /// Of a mixture of experts.
    case router(layer: Int)
    case expert(Projection, layer: Int, expert: Int)
    case sharedExpert(Projection, layer: Int)
    /// One row, of which the share of the shared expert is computed.
    case sharedExpertGate(layer: Int)

    /// The matrices of a feed-forward part.
    enum Projection { case gate, up, down }
}

/// How a family names the tensors of its safetensors, where that is not as most do.
enum HuggingFaceNames {
    case llama, gemma, mixtral
}

/// Names of roles in one format and family.
struct TensorNames {
    let format: CheckpointFormat
    let family: HuggingFaceNames

    func weight(_ role: TensorRole) -> String { module(role) + ".weight" }
    func bias(_ role: TensorRole) -> String { module(role) + ".bias" }

    /// What weights and biases belong to.
    func module(_ role: TensorRole) -> String {
        switch format {
        case .gguf: ggufName(role)
        case .safetensors: particularName(role) ?? huggingFaceName(role)
        }
    }

    private func ggufName(_ role: TensorRole) -> String {
        switch role {
        case .tokenEmbedding: "token_embd"
        case .outputNorm: "output_norm"
        case .outputHead: "output"
        case .attentionNorm(let layer): "blk.\(layer).attn_norm"
        case .feedForwardNorm(let layer): "blk.\(layer).ffn_norm"
        case .attentionOutputNorm(let layer): "blk.\(layer).post_attention_norm"
        case .feedForwardOutputNorm(let layer): "blk.\(layer).post_ffw_norm"
        case .query(let layer): "blk.\(layer).attn_q"
        case .key(let layer): "blk.\(layer).attn_k"
        case .value(let layer): "blk.\(layer).attn_v"
        case .attentionOutput(let layer): "blk.\(layer).attn_output"
        case .queryNorm(let layer): "blk.\(layer).attn_q_norm"
        case .keyNorm(let layer): "blk.\(layer).attn_k_norm"
        case .gate(let layer): "blk.\(layer).ffn_gate"
        case .up(let layer): "blk.\(layer).ffn_up"
        case .down(let layer): "blk.\(layer).ffn_down"
        case .queryKeyValue(let layer): "blk.\(layer).attn_qkv"
        case .gateUp(let layer): "blk.\(layer).ffn_up"
        case .router(let layer): "blk.\(layer).ffn_gate_inp"
        // One tensor of all experts.
        case .expert(let projection, let layer, _): "blk.\(layer).ffn_\(projection)_exps"
        case .sharedExpert(let projection, let layer): "blk.\(layer).ffn_\(projection)_shexp"
        case .sharedExpertGate(let layer): "blk.\(layer).ffn_gate_inp_shexp"
        }
    }

    private func huggingFaceName(_ role: TensorRole) -> String {
        switch role {
        case .tokenEmbedding: "model.embed_tokens"
        case .outputNorm: "model.norm"
        case .outputHead: "lm_head"
        case .attentionNorm(let layer): "model.layers.\(layer).input_layernorm"
        case .feedForwardNorm(let layer): "model.layers.\(layer).post_attention_layernorm"
        case .attentionOutputNorm(let layer): "model.layers.\(layer).post_attention_layernorm"
        case .feedForwardOutputNorm(let layer): "model.layers.\(layer).post_feedforward_layernorm"
        case .query(let layer): "model.layers.\(layer).self_attn.q_proj"
        case .key(let layer): "model.layers.\(layer).self_attn.k_proj"
        case .value(let layer): "model.layers.\(layer).self_attn.v_proj"
        case .attentionOutput(let layer): "model.layers.\(layer).self_attn.o_proj"
        case .queryNorm(let layer): "model.layers.\(layer).self_attn.q_norm"
        case .keyNorm(let layer): "model.layers.\(layer).self_attn.k_norm"
        case .gate(let layer): "model.layers.\(layer).mlp.gate_proj"
        case .up(let layer): "model.layers.\(layer).mlp.up_proj"
        case .down(let layer): "model.layers.\(layer).mlp.down_proj"
        case .queryKeyValue(let layer): "model.layers.\(layer).self_attn.qkv_proj"
        case .gateUp(let layer): "model.layers.\(layer).mlp.gate_up_proj"
        case .router(let layer): "model.layers.\(layer).mlp.gate"
        case .expert(let projection, let layer, let expert):
            "model.layers.\(layer).mlp.experts.\(expert).\(projection)_proj"
        case .sharedExpert(let projection, let layer): "model.layers.\(layer).mlp.shared_expert.\(projection)_proj"
        case .sharedExpertGate(let layer): "model.layers.\(layer).mlp.shared_expert_gate"
        }
    }

    /// Names that the family has for itself; nil: as most do.
    private func particularName(_ role: TensorRole) -> String? {
        switch (family, role) {
        case (.gemma, .feedForwardNorm(let layer)): "model.layers.\(layer).pre_feedforward_layernorm"
        case (.mixtral, .router(let layer)): "model.layers.\(layer).block_sparse_moe.gate"
        case (.mixtral, .expert(let projection, let layer, let expert)):
            "model.layers.\(layer).block_sparse_moe.experts.\(expert).\(projection.mixtralName)"
        default: nil
        }
    }
}

extension TensorRole.Projection {
    fileprivate var mixtralName: String {
        switch self {
        case .gate: "w1"
        case .up: "w3"
        case .down: "w2"
        }
    }
}
