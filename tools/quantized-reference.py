"""Writes the logits that a quantised checkpoint must give, for Tests/ModelsTests: golden.json and golden.f32 in its folder.

    python tools/quantized-reference.py FOLDER…

Every module is dequantised here with NumPy, bit by bit as the layouts are described (GPTQ, AWQ, compressed-tensors), put
into Transformers' own model in float32, and run on a fixed prompt. The test reads the folders of PAGODA_CACHE/quantized
(~/.cache/pagoda/quantized), which tools/quantized-checkpoints.py makes with a program that is not ours.
"""
import glob, json, os, re, struct, sys
import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM

AWQ_PLACE = [0, 4, 1, 5, 2, 6, 3, 7]
POSITIONS = 4  # the prompt's last ones


def unpack(words, bits):
    """[rows, w] int32 → [rows, w·32/bits]: a stream of bits along the last axis, low end first."""
    rows, count = words.shape
    stream = np.unpackbits(np.ascontiguousarray(words).view(np.uint8).reshape(rows, count * 4), axis=1, bitorder="little")
    values = stream[:, :count * 32 // bits * bits].reshape(rows, -1, bits)
    return (values.astype(np.int64) << np.arange(bits)).sum(2)


def awq_order(values):
    return values.reshape(values.shape[0], -1, 8)[:, :, AWQ_PLACE].reshape(values.shape)


def dequantise(get, bits, config):
    """The weights [N, K] of a module whose tensors `get` reads; None if they are not quantised."""
    method = config["quant_method"]
    if method == "gptq" and get("qweight") is not None:
        q, scales = unpack(get("qweight").T, bits), get("scales").T.astype(np.float32)
        zeros = unpack(get("qzeros"), bits).T[:q.shape[0]]
        zeros = zeros + (0 if config.get("checkpoint_format") == "gptq_v2" else 1)
        of = get("g_idx") if get("g_idx") is not None else np.arange(q.shape[1]) // (q.shape[1] // scales.shape[1])
        return scales[:, of] * (q - zeros[:, of])
    if method == "awq" and get("qweight") is not None:
        q, zeros = awq_order(unpack(get("qweight"), 4)).T, awq_order(unpack(get("qzeros"), 4)).T
        scales = get("scales").T.astype(np.float32)
        of = np.arange(q.shape[1]) // (q.shape[1] // scales.shape[1])
        return scales[:, of] * (q - zeros[:, of])
    if method == "compressed-tensors" and get("weight_packed") is not None:
        n, k = get("weight_shape")
        q, scales = unpack(get("weight_packed"), bits)[:, :k], get("weight_scale").astype(np.float32)
        zeros = get("weight_zero_point")
        zeros = np.full(scales.shape, 2 ** (bits - 1)) if zeros is None else unpack(zeros.T, bits).T[:n]
        of = np.arange(k) // (k // scales.shape[1])
        return scales[:, of] * (q - zeros[:, of])
    if method == "compressed-tensors" and get("weight") is not None and get("weight").dtype == np.int8:
        scales, zeros = get("weight_scale").astype(np.float32).reshape(-1, 1), get("weight_zero_point")
        return scales * (get("weight").astype(np.int64) - (0 if zeros is None else zeros.reshape(-1, 1).astype(np.int64)))
    return None


@torch.no_grad()
def reference(folder):
    tensors = {}
    for path in glob.glob(os.path.join(folder, "*.safetensors")):
        with safe_open(path, "pt") as file:
            tensors |= {key: file.get_tensor(key) for key in file.keys()}

    def array(name):
        value = tensors.get(name)
        return None if value is None else value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()

    with open(os.path.join(folder, "config.json")) as file:
        quantization = json.load(file)["quantization_config"]
    groups = quantization.get("config_groups")
    bits = list(groups.values())[0]["weights"]["num_bits"] if groups else quantization.get("bits", 4)
    config = AutoConfig.from_pretrained(folder)
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    weights = {}
    for name in model.state_dict():
        module = name.rsplit(".", 1)[0]
        part = lambda key: array(f"{module}.{key}")
        weight = dequantise(part, bits, quantization) if re.search(r"(_proj|lm_head)\.weight$", name) else None
        if weight is not None:
            weights[name] = torch.from_numpy(weight.astype(np.float32))
        elif name in tensors:
            weights[name] = tensors[name].float()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    model.tie_weights()
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    ids = [(7 * i * i + 11 * i + 5) % min(config.vocab_size, 20000) for i in range(48)]
    logits = model(torch.tensor([ids])).logits[0, -POSITIONS:].flatten().tolist()
    with open(os.path.join(folder, "golden.json"), "w") as out:
        json.dump({"prompt": ids}, out)
    with open(os.path.join(folder, "golden.f32"), "wb") as out:
        out.write(struct.pack(f"<{len(logits)}f", *logits))
    print(folder, len(logits), "logits")


for folder in sys.argv[1:]:
    reference(folder)
