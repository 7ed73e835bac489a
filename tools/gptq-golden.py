"""Makes the golden file of Tests/QuantizationTests: layers rounded by GPTQ as its paper describes it, in NumPy and fp64.

    python tools/gptq-golden.py

An implementation apart from the program's: the Hessian is inverted, the inverse is factored, columns are taken one by one and
every later column is corrected at once (no blocks). Needs NumPy, torch and transformers. Writes into
Tests/QuantizationTests/Fixtures:

  gptq.f32, gptq.json   inputs and weights of one layer; codes, scales (as bits of fp32), zero points, groups, packed words and
                        the relative squared output error of several recipes
  model-*.json          small models of Tests/ModelsTests/Fixtures quantised module after module, each calibrated with what the
                        quantised ones before it give; codes as digits, and the logits of the result
"""
import json, os
import numpy as np
import torch
from transformers import AutoModelForCausalLM

TESTS = os.path.join(os.path.dirname(__file__), "..", "Tests")
FIXTURES = os.path.join(TESTS, "QuantizationTests", "Fixtures")

CASES = {
    "symmetric": dict(bits=4, group=32, sym=True, act_order=False, search="minmax"),
    "asymmetric, 3 bits": dict(bits=3, group=32, sym=False, act_order=False, search="minmax"),
    "act-order": dict(bits=4, group=32, sym=False, act_order=True, search="minmax"),
    "one group, 8 bits": dict(bits=8, group=-1, sym=True, act_order=False, search="minmax"),
    "searched scales": dict(bits=4, group=64, sym=True, act_order=False, search="mse"),
    "searched scales, 2 bits, act-order": dict(bits=2, group=32, sym=False, act_order=True, search="mse"),
}
N, K, TOKENS = 32, 192, 208


def half(scale):
    return float(min(max(np.float16(scale), np.float16(6e-8)), np.float16(65504)))


def span(low, high, top, sym):
    """Scale and zero point of a range; the latter is at least 1, since version 1 of the format stores it less one."""
    if not low < high:
        return 1.0, (top + 1) // 2
    scale = half((high - low) / top)
    if sym:
        return scale, (top + 1) // 2
    zero = int(np.rint(-low / scale))
    return (half(high / (top - 1)), 1) if zero < 1 else (scale, min(zero, top))


def decode(w, scale, zero, top):
    return scale * (np.clip(np.rint(w / scale) + zero, 0, top) - zero)


def grid(w, top, sym, search):
    low, high = min(w.min(), 0.0), max(w.max(), 0.0)
    if sym:
        high = max(high, -low)
        low = -high
    best = span(low, high, top, sym)
    if search == "mse" and low < high:
        least = ((decode(w, *best, top) - w) ** 2).sum()
        for step in range(1, 40):
            candidate = span(low * (1 - 0.02 * step), high * (1 - 0.02 * step), top, sym)
            error = ((decode(w, *candidate, top) - w) ** 2).sum()
            if error < least:
                best, least = candidate, error
    return best


def gptq(weight, h, bits, group, sym, act_order, search, damp=0.01):
    w, top = weight.astype(np.float64).copy(), 2 ** bits - 1
    n, k = w.shape
    group = k if group == -1 else group
    energy = lambda matrix, plain=h: np.einsum("ij,jk,ik->", matrix, plain, matrix)
    order = np.argsort(-np.diag(h), kind="stable") if act_order else np.arange(k)
    dead = np.diag(h) == 0
    w[:, dead] = 0
    h = h + np.eye(k) * damp * np.diag(h).mean()
    h[dead, dead] = 1
    h, w = h[np.ix_(order, order)], w[:, order]
    u = np.linalg.cholesky(np.linalg.inv(h)).T
    codes, scales, zeros = np.zeros((n, k), int), np.zeros((n, k // group)), np.zeros((n, k // group), int)
    for i in range(k):
        g = i // group
        if i % group == 0:
            for row in range(n):
                scales[row, g], zeros[row, g] = grid(w[row, i:i + group], top, sym, search)
        codes[:, i] = np.clip(np.rint(w[:, i] / scales[:, g]) + zeros[:, g], 0, top)
        error = (w[:, i] - scales[:, g] * (codes[:, i] - zeros[:, g])) / u[i, i]
        w[:, i:] -= np.outer(error, u[i, i:])
    back = np.argsort(order)
    group_of = (np.arange(k) // group)[back]
    codes = codes[:, back]
    values = np.take_along_axis(scales, np.broadcast_to(group_of, (n, k)), 1) * (
        codes - np.take_along_axis(zeros, np.broadcast_to(group_of, (n, k)), 1))
    return codes, scales, zeros, group_of, values, energy(values - weight) / energy(weight.astype(np.float64))


def pack(values, bits):
    """[rows, n] → [rows, n·bits/32] words: a stream of bits along the last axis, low end first."""
    stream = (values[:, :, None].astype(np.int64) >> np.arange(bits) & 1).astype(np.uint8)
    return np.packbits(stream.reshape(len(values), -1), axis=1, bitorder="little").view("<u4")


def bits_of(array):
    return np.ascontiguousarray(array, "<f4").view("<u4").flatten().tolist()


rng = np.random.default_rng(5)
# Inputs that go together, of very different sizes, and one that is never there.
inputs = rng.standard_normal((TOKENS, 24)) @ rng.standard_normal((24, K)) + 0.3 * rng.standard_normal((TOKENS, K))
inputs = (inputs * np.exp(0.7 * rng.standard_normal(K))).astype(np.float32)
inputs[:, 77] = 0
weight = (rng.standard_normal((N, K)) * np.exp(0.3 * rng.standard_normal((N, 1))) * 0.1).astype(np.float32)
document = dict(rows=N, columns=K, tokens=TOKENS, cases={})
for name, case in CASES.items():
    wide = inputs.astype(np.float64)
    codes, scales, zeros, group_of, _, error = gptq(weight, wide.T @ wide / len(wide), **case)
    document["cases"][name] = case | dict(
        codes=codes.flatten().tolist(), scales=bits_of(scales), zero_points=zeros.flatten().tolist(),
        group_of_column=group_of.tolist(), error=error, qweight=pack(codes, case["bits"]).T.flatten().tolist(),
        qzeros=pack(zeros.T - 1, case["bits"]).flatten().tolist())
    print(name, "error", error)


@torch.no_grad()
def quantised_model(name, case):
    model = AutoModelForCausalLM.from_pretrained(
        os.path.join(TESTS, "ModelsTests", "Fixtures", name), dtype=torch.float32, attn_implementation="eager").double()
    vocabulary = model.config.vocab_size
    ids = torch.tensor([[(7 * i * i + 13 * i * s + 11 * i + 5 * s) % vocabulary for i in range(48)] for s in range(10)])
    modules = {}
    for layer, block in enumerate(model.model.layers):
        attention, mlp = block.self_attn, block.mlp
        for site in (dict(q_proj=attention.q_proj, k_proj=attention.k_proj, v_proj=attention.v_proj),
                     dict(o_proj=attention.o_proj), dict(gate_proj=mlp.gate_proj, up_proj=mlp.up_proj),
                     dict(down_proj=mlp.down_proj)):
            seen = []
            first = next(iter(site.values()))
            hook = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(0, 1)))
            model(ids)
            hook.remove()
            read = seen[0].numpy()
            for short, module in site.items():
                codes, scales, zeros, group_of, values, error = gptq(
                    module.weight.numpy(), read.T @ read / len(read), **case)
                module.weight.copy_(torch.from_numpy(values))
                part = "self_attn" if hasattr(attention, short) else "mlp"
                modules[f"model.layers.{layer}.{part}.{short}"] = dict(
                    codes="".join("0123456789abcdef"[c] for c in codes.flatten()), error=error,
                    group_of_column=group_of.tolist(), zero_points=zeros.flatten().tolist(), scales=bits_of(scales))
    prompt = [(5 * i * i + 3 * i + 1) % vocabulary for i in range(30)]
    logits = model(torch.tensor([prompt])).logits[0, -4:]
    return case | dict(model=name, sequences=ids.tolist(), modules=modules, prompt=prompt, logits=bits_of(logits.numpy()))


os.makedirs(FIXTURES, exist_ok=True)
with open(os.path.join(FIXTURES, "gptq.f32"), "wb") as out:
    out.write(inputs.astype("<f4").tobytes() + weight.astype("<f4").tobytes())
documents = {"gptq": document, "model-qwen2": quantised_model("qwen2", dict(
    bits=4, group=32, sym=True, act_order=False, search="minmax")), "model-llama": quantised_model("llama", dict(
    bits=4, group=16, sym=False, act_order=True, search="mse"))}
for name, document in documents.items():
    with open(os.path.join(FIXTURES, name + ".json"), "w") as out:
        json.dump(document, out, separators=(",", ":"))
        out.write("\n")
