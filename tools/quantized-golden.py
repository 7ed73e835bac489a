"""Makes the small quantised checkpoints that Tests/ModelsTests read, and the logits that they must give.

    python tools/quantized-golden.py [NAME…]

Random models of one layer, in each layout that quantisers publish, packed here from the layouts' descriptions (GPTQModel,
AutoAWQ, compressed-tensors); the logits are Transformers' in float32, with the weights dequantised by NumPy. Needs torch,
transformers and safetensors. Writes into Tests/ModelsTests/Fixtures/quantized. Checkpoints by other programs are checked by
tools/quantized-reference.py.
"""
import json, os, struct, sys
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM)

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "Tests", "ModelsTests", "Fixtures", "quantized")
SHAPE = dict(vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
             num_key_value_heads=2, head_dim=16, max_position_embeddings=64, tie_word_embeddings=False,
             initializer_range=0.2)
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def pack(values, bits):
    """[rows, n] unsigned → [rows, ceil(n·bits/32)] int32: a stream of bits along the last axis, low end first."""
    rows, n = values.shape
    stream = (values[:, :, None].astype(np.int64) >> np.arange(bits) & 1).astype(np.uint8).reshape(rows, n * bits)
    stream = np.pad(stream, ((0, 0), (0, -n * bits % 32)))
    return np.packbits(stream, axis=1, bitorder="little").view("<i4")


def interleave(values):
    return values.reshape(values.shape[0], -1, 8)[:, :, AWQ_ORDER].reshape(values.shape)


class Codes:
    """A matrix [N, K] rounded to codes; `weight` is what the codes mean."""

    def __init__(self, weight, bits, group, symmetric, act_order=None, scale_type=np.float16, levels=None):
        n, k = weight.shape
        group = k if group == -1 else group
        self.bits, self.symmetric, self.groups = bits, symmetric, k // group
        # Act-order: groups are cut after the columns have been ordered, by the last digits of the generator.
        place = np.arange(k) if act_order is None else act_order.permutation(k)
        self.group_of = (place // group).astype(np.int32)
        self.scales = np.zeros((n, self.groups), np.float32)
        self.zeros = np.zeros((n, self.groups), np.int64)
        self.codes = np.zeros((n, k), np.int64)
        top = 2 ** bits - 1
        for g in range(self.groups):
            part = weight[:, self.group_of == g]
            if symmetric:
                zero = np.full(n, 2 ** (bits - 1))
                scale = 2 * np.abs(part).max(1) / (levels or top)
            else:
                low, high = np.minimum(part.min(1), 0), np.maximum(part.max(1), 0)
                scale = (high - low) / top
                zero = np.clip(np.round(-low / scale), 0, top).astype(np.int64)
            scale = torch.from_numpy(scale.astype(np.float32)).to(scale_type_of(scale_type)).float().numpy()
            codes = np.clip(np.round(part / scale[:, None]) + zero[:, None], 0, top)
            self.scales[:, g], self.zeros[:, g], self.codes[:, self.group_of == g] = scale, zero, codes
        of = self.group_of
        self.weight = (self.scales[:, of] * (self.codes - self.zeros[:, of]).astype(np.float32)).astype(np.float32)


def scale_type_of(kind):
    return {np.float16: torch.float16, np.float32: torch.float32}.get(kind, kind)


def tensor(array, kind=None):
    result = torch.from_numpy(np.ascontiguousarray(array))
    return result if kind is None else result.to(kind)


def gptq(c, version=1, index=True):
    assert version == 2 or c.zeros.min() > 0, "version 1 cannot say a zero point of 0"
    stored = c.zeros - 1 if version == 1 else c.zeros
    out = {"qweight": tensor(pack(c.codes, c.bits).T), "qzeros": tensor(pack(stored.T, c.bits)),
           "scales": tensor(c.scales.T, torch.float16)}
    return out | ({"g_idx": tensor(c.group_of)} if index else {})


def awq(c):
    return {"qweight": tensor(pack(interleave(c.codes.T), 4)), "qzeros": tensor(pack(interleave(c.zeros.T), 4)),
            "scales": tensor(c.scales.T, torch.float16)}


def packed(c, kind=torch.bfloat16, index=False):
    out = {"weight_packed": tensor(pack(c.codes, c.bits)), "weight_scale": tensor(c.scales, kind),
           "weight_shape": torch.tensor(c.codes.shape)}
    if not c.symmetric:
        out["weight_zero_point"] = tensor(pack(c.zeros.T, c.bits).T)
    return out | ({"weight_g_idx": tensor(c.group_of)} if index else {})


def int8(c, kind=torch.bfloat16):
    middle = 2 ** (c.bits - 1)
    out = {"weight": tensor(c.codes - middle, torch.int8), "weight_scale": tensor(c.scales, kind)}
    return out if c.symmetric else out | {"weight_zero_point": tensor(c.zeros - middle, torch.int8)}


def gptq_config(bits, group, sym=True, desc_act=False, **more):
    return dict(quant_method="gptq", bits=bits, group_size=group, sym=sym, desc_act=desc_act, damp_percent=0.01) | more


def ct_config(format, bits, group, symmetric, ignore=("lm_head",), activations=None, **more):
    strategy = "channel" if group == -1 else "group"
    weights = dict(num_bits=bits, type="int", symmetric=symmetric, strategy=strategy, dynamic=False,
                   group_size=None if group == -1 else group, actorder=None) | more
    return dict(quant_method="compressed-tensors", format=format, quantization_status="compressed",
                kv_cache_scheme=None, ignore=list(ignore), config_groups={"group_0": dict(
                    targets=["Linear"], weights=weights, input_activations=activations, output_activations=None)})


W8A8 = dict(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True)


def everywhere(make):
    """A recipe for all layers' linear modules; None leaves a module as it is."""
    return lambda name, w: None if name == "lm_head" else make(w)


def per_module(name, w):
    if name == "lm_head":
        return None
    if name.endswith("v_proj"):
        c = Codes(w, 8, 32, True)
    elif name.endswith("up_proj"):
        return None
    elif name.endswith("k_proj"):
        c = Codes(w, 4, 64, True)
    else:
        c = Codes(w, 4, 32, True)
    return c, gptq(c)


def shuffled(seed_of):
    """Act-order; `seed_of` decides which modules share an order of columns."""
    def recipe(name, w):
        if name == "lm_head":
            return None
        c = Codes(w, 4, 32, False, act_order=np.random.default_rng(seed_of(name)))
        return c, gptq(c)
    return recipe


def by_input(name):
    part = name.split(".")[-1]
    if ".experts." in name:
        return 10 * int(name.split(".experts.")[1].split(".")[0]) + (6 if part == "down_proj" else 5)
    return {"q_proj": 1, "k_proj": 1, "v_proj": 1, "o_proj": 2, "gate_proj": 3, "up_proj": 3, "down_proj": 4,
            "gate": 5}[part]


def both(make, write):
    return lambda w: (lambda c: (c, write(c)))(make(w))


RECIPES = {
    "gptq-4bit-g32": (gptq_config(4, 32), everywhere(both(lambda w: Codes(w, 4, 32, True), gptq))),
    "gptq-4bit-g32-asymmetric": (
        gptq_config(4, 32, False), everywhere(both(lambda w: Codes(w, 4, 32, False), gptq))),
    "gptq-4bit-channel-v2": (
        gptq_config(4, -1, False, checkpoint_format="gptq_v2"),
        everywhere(both(lambda w: Codes(w, 4, -1, False), lambda c: gptq(c, 2, index=False)))),
    "gptq-4bit-g16": (gptq_config(4, 16, False), everywhere(both(lambda w: Codes(w, 4, 16, False), gptq))),
    "gptq-4bit-g8": (gptq_config(4, 8), everywhere(both(lambda w: Codes(w, 4, 8, True), gptq))),
    "gptq-8bit-g32": (gptq_config(8, 32), everywhere(both(lambda w: Codes(w, 8, 32, True), gptq))),
    "gptq-8bit-g32-asymmetric": (
        gptq_config(8, 32, False), everywhere(both(lambda w: Codes(w, 8, 32, False), gptq))),
    "gptq-3bit-g32": (gptq_config(3, 32, False), everywhere(both(lambda w: Codes(w, 3, 32, False), gptq))),
    "gptq-2bit-g32": (gptq_config(2, 32), everywhere(both(lambda w: Codes(w, 2, 32, True), gptq))),
    "gptq-act-order": (gptq_config(4, 32, False, True), shuffled(by_input)),
    "gptq-act-order-of-each": (
        gptq_config(4, 32, False, True), shuffled(lambda name: sum(name.encode()))),
    "gptq-dynamic-sharded": (
        gptq_config(4, 32, dynamic={"-:.*\\.up_proj": {}, "+:.*\\.v_(?:proj|x)$": {"bits": 8},
                                    ".*k_proj": {"group_size": 64}}), per_module),
    "gptq-head": (gptq_config(4, 32, lm_head=True), lambda name, w: both(lambda w: Codes(w, 4, 32, True), gptq)(w)),
    "awq-g32": (
        dict(quant_method="awq", bits=4, group_size=32, zero_point=True, version="gemm",
             modules_to_not_convert=["o_proj"]),
        lambda name, w: None if name == "lm_head" or "o_proj" in name
        else both(lambda w: Codes(w, 4, 32, False), awq)(w)),
    "ct-w4a16-g32": (
        ct_config("pack-quantized", 4, 32, True),
        everywhere(both(lambda w: Codes(w, 4, 32, True, scale_type=torch.bfloat16), packed))),
    "ct-w4a16-g32-asymmetric": (
        ct_config("pack-quantized", 4, 32, False),
        everywhere(both(lambda w: Codes(w, 4, 32, False, scale_type=torch.bfloat16), packed))),
    "ct-w4a16-channel": (
        ct_config("pack-quantized", 4, -1, True),
        everywhere(both(lambda w: Codes(w, 4, -1, True, scale_type=np.float32), lambda c: packed(c, torch.float32)))),
    "ct-w4a16-act-order": (
        ct_config("pack-quantized", 4, 32, True, actorder="group"),
        lambda name, w: None if name == "lm_head" else both(
            lambda w: Codes(w, 4, 32, True, np.random.default_rng(by_input(name)), torch.bfloat16),
            lambda c: packed(c, index=True))(w)),
    "ct-w8a8": (
        ct_config("int-quantized", 8, -1, True, ("lm_head", "re:.*down_proj"), W8A8),
        lambda name, w: None if name == "lm_head" or "down_proj" in name
        else both(lambda w: Codes(w, 8, -1, True, scale_type=torch.bfloat16), int8)(w)),
    "ct-w8a8-asymmetric": (
        ct_config("int-quantized", 8, -1, False, activations=W8A8),
        everywhere(both(lambda w: Codes(w, 8, -1, False, scale_type=torch.bfloat16), int8))),
    "gptq-qwen3": (gptq_config(4, 32), everywhere(both(lambda w: Codes(w, 4, 32, True), gptq))),
    "gptq-phi3": (gptq_config(4, 32, False), everywhere(both(lambda w: Codes(w, 4, 32, False), gptq))),
    "gptq-qwen3moe": (
        gptq_config(4, 32), lambda name, w: None if name == "lm_head" or name.endswith("mlp.gate")
        else both(lambda w: Codes(w, 4, 32, True), gptq)(w)),
    # Also the router, which quantisers leave as it is.
    "gptq-qwen3moe-act-order": (gptq_config(4, 32, False, True), shuffled(by_input)),
}
EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=True)
FAMILIES = {
    "gptq-qwen3": (Qwen3ForCausalLM, Qwen3Config(**SHAPE)),
    "gptq-phi3": (Phi3ForCausalLM, Phi3Config(
        **{k: v for k, v in SHAPE.items() if k != "head_dim"}, pad_token_id=0, eos_token_id=2)),
    "gptq-qwen3moe": (Qwen3MoeForCausalLM, Qwen3MoeConfig(**SHAPE, **EXPERTS)),
    "gptq-qwen3moe-act-order": (Qwen3MoeForCausalLM, Qwen3MoeConfig(**SHAPE, **EXPERTS)),
}


def linear_modules(model):
    """Names and weights, those of single experts too, which the model holds as one tensor."""
    for module, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear) or module.endswith("mlp.gate"):
            yield module, layer.weight
        elif module.endswith("mlp.experts"):
            inner = layer.gate_up_proj.shape[1] // 2
            for expert in range(layer.num_experts):
                yield f"{module}.{expert}.gate_proj", layer.gate_up_proj[expert, :inner]
                yield f"{module}.{expert}.up_proj", layer.gate_up_proj[expert, inner:]
                yield f"{module}.{expert}.down_proj", layer.down_proj[expert]


@torch.no_grad()
def make(name, seed):
    config, recipe = RECIPES[name]
    torch.manual_seed(seed)
    family, kind = (Qwen2ForCausalLM, Qwen2Config) if seed % 2 else (LlamaForCausalLM, LlamaConfig)
    family, configuration = FAMILIES.get(name) or (family, kind(**SHAPE))
    model = family(configuration).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:  # norms start at 1 and biases at 0, which would hide a missing one
            parameter.add_(torch.randn_like(parameter) * 0.3)
        parameter.copy_(parameter.to(torch.float16))  # not model.to(), which would round rotary frequencies too
    stored = {key: value.to(torch.float16) for key, value in model.state_dict().items() if ".experts." not in key}
    for module, weight in linear_modules(model):
        result = recipe(module, weight.numpy())
        if result:
            codes, tensors = result
            weight.copy_(torch.from_numpy(codes.weight))
            stored.pop(f"{module}.weight", None)
            stored |= {f"{module}.{key}": value for key, value in tensors.items()}
        elif ".experts." in module:
            stored[f"{module}.weight"] = weight.to(torch.float16)
    folder = os.path.join(FIXTURES, name)
    os.makedirs(folder, exist_ok=True)
    document = {key: value for key, value in model.config.to_dict().items() if value is not None}
    document = document | {"quantization_config": config, "architectures": [family.__name__]}
    write(folder, "config.json", json.dumps(document, indent=1) + "\n")
    stored = {key: value.contiguous() for key, value in stored.items()}
    if "sharded" in name:
        keys, index = sorted(stored), {}
        for shard in range(2):
            file = f"model-{shard + 1:05}-of-00002.safetensors"
            index |= {key: file for key in keys[shard::2]}
            save_file({key: stored[key] for key in keys[shard::2]}, os.path.join(folder, file))
        write(folder, "model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": index}) + "\n")
    else:
        save_file(stored, os.path.join(folder, "model.safetensors"))
    ids = torch.randint(0, SHAPE["vocab_size"], (1, 21))
    logits = model(ids).logits[0].flatten().tolist()
    write(folder, "golden.json", json.dumps({"prompt": ids[0].tolist()}) + "\n")
    with open(os.path.join(folder, "golden.f32"), "wb") as out:
        out.write(struct.pack(f"<{len(logits)}f", *logits))
    print(name, family.__name__)


def write(folder, name, text):
    with open(os.path.join(folder, name), "w") as out:
        out.write(text)


if __name__ == "__main__":
    for seed, name in enumerate(RECIPES):
        if not sys.argv[1:] or name in sys.argv[1:]:
            make(name, seed)
