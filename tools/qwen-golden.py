"""Makes small checkpoints of Qwen's first generation in their published layout, and the logits that they must give.

    python tools/qwen-golden.py

No class of Transformers has this architecture, so it stands here in PyTorch, written from its published description: pre-norm
RMSNorm, one projection with bias for Q, K and V, rotary embedding by halves with dynamic NTK, LogN attention, and
c_proj(w1(x) · silu(w2(x))). Writes Tests/ModelsTests/Fixtures/qwen (fp32; prompts within and beyond the trained length, each
continued with a cache) and quantized/qwen-gptq-4bit-g32 beside it. Needs torch, safetensors and transformers.
"""
import base64, importlib.util, json, math, os, struct
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "Tests", "ModelsTests", "Fixtures")
# Projections are wider than the hidden size, as kv_channels allows. seq_length is tiny, so that prompts exceed it.
CONFIG = {
    "architectures": ["QWenLMHeadModel"], "attn_dropout_prob": 0.0, "bf16": False, "emb_dropout_prob": 0.0, "fp16": False,
    "fp32": True, "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 128, "kv_channels": 16,
    "layer_norm_epsilon": 1e-06, "max_position_embeddings": 128, "model_type": "qwen", "no_bias": True,
    "num_attention_heads": 4, "num_hidden_layers": 2, "onnx_safe": None, "rotary_emb_base": 10000, "rotary_pct": 1.0,
    "scale_attn_weights": True, "seq_length": 24, "tie_word_embeddings": False, "tokenizer_class": "QWenTokenizer",
    "use_cache": True, "use_dynamic_ntk": True, "use_flash_attn": "auto", "use_logn_attn": True, "vocab_size": 480}
GENERATION = {"chat_format": "chatml", "do_sample": True, "eos_token_id": 266, "max_new_tokens": 512, "pad_token_id": 266,
              "top_k": 0, "top_p": 0.8}
# A prompt's length, and how many tokens follow it one by one. 24 is trained; α is 1, then 3 to 48, then 7 to 96.
CASES = [(20, 12), (24, 4), (25, 4), (45, 8), (60, 40)]
POSITIONS = 10  # whose logits are kept: the last of each case


def ntk_alpha(length, trained):
    return max(1, 2 ** math.ceil(math.log(length / trained, 2) + 1) - 1)


class QWen:
    """The forward pass over named tensors, with a cache of rotated keys and of values."""

    def __init__(self, config, tensors):
        self.config, self.tensors = config, tensors
        self.heads, self.size = config["num_attention_heads"], config["kv_channels"]
        self.caches = [None] * config["num_hidden_layers"]
        self.alpha = None

    def norm(self, x, name):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config["layer_norm_epsilon"])
        return x * scale * self.tensors[name + ".weight"]

    def linear(self, x, name):
        return torch.nn.functional.linear(x, self.tensors[name + ".weight"], self.tensors.get(name + ".bias"))

    def rotation(self, start, end):
        size = int(self.size * self.config["rotary_pct"])
        base = self.config["rotary_emb_base"] * self.alpha ** (size / (size - 2))
        inverse = 1.0 / (base ** (torch.arange(0, size, 2).float() / size))
        angles = torch.outer(torch.arange(end).float(), inverse)[start:end]
        return torch.cat((angles, angles), -1)

    def rotate(self, x, angles):
        size = angles.shape[-1]
        turned, rest = x[..., :size], x[..., size:]
        halves = torch.cat((-turned[..., size // 2:], turned[..., :size // 2]), -1)
        return torch.cat((turned * angles.cos()[:, None] + halves * angles.sin()[:, None], rest), -1)

    def attention(self, layer, x, angles):
        count, start = x.shape[0], 0 if self.caches[layer] is None else self.caches[layer][0].shape[0]
        parts = self.linear(x, f"transformer.h.{layer}.attn.c_attn").split(self.heads * self.size, -1)
        q, k, v = (part.view(count, self.heads, self.size) for part in parts)
        q, k = self.rotate(q, angles), self.rotate(k, angles)
        if start:
            k, v = torch.cat((self.caches[layer][0], k)), torch.cat((self.caches[layer][1], v))
        self.caches[layer] = (k, v)
        trained = self.config["seq_length"]
        if self.config["use_logn_attn"] and start + count > trained:
            factors = [math.log(i, trained) if i > trained else 1 for i in range(start + 1, start + count + 1)]
            q = q * torch.tensor(factors)[:, None, None]
        scores = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(self.size)
        hidden = torch.arange(start + count)[None, :] > torch.arange(start, start + count)[:, None]
        weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
        out = torch.einsum("hqk,khd->qhd", weights, v).reshape(count, -1)
        return self.linear(out, f"transformer.h.{layer}.attn.c_proj")

    def forward(self, ids):
        """Logits of the next tokens. The first call has the whole prompt, whose length decides the rotation for good."""
        start = 0 if self.caches[0] is None else self.caches[0][0].shape[0]
        if start == 0:
            self.alpha = ntk_alpha(len(ids), self.config["seq_length"]) if self.config["use_dynamic_ntk"] else 1
        angles = self.rotation(start, start + len(ids))
        x = self.tensors["transformer.wte.weight"][torch.tensor(ids)]
        for layer in range(self.config["num_hidden_layers"]):
            name = f"transformer.h.{layer}"
            x = x + self.attention(layer, self.norm(x, name + ".ln_1"), angles)
            y = self.norm(x, name + ".ln_2")
            gated = self.linear(y, name + ".mlp.w1") * torch.nn.functional.silu(self.linear(y, name + ".mlp.w2"))
            x = x + self.linear(gated, name + ".mlp.c_proj")
        return self.linear(self.norm(x, "transformer.ln_f"), "lm_head")


def random_tensors(config):
    hidden, inner = config["hidden_size"], config["intermediate_size"] // 2
    wide = config["num_attention_heads"] * config["kv_channels"]
    of = lambda *shape: torch.randn(*shape) * (2 / shape[-1] ** 0.5 if len(shape) == 2 else 0.3)
    tensors = {"transformer.wte.weight": torch.randn(config["vocab_size"], hidden),
               "transformer.ln_f.weight": 1 + of(hidden), "lm_head.weight": of(config["vocab_size"], hidden)}
    for layer in range(config["num_hidden_layers"]):
        name = f"transformer.h.{layer}"
        tensors |= {f"{name}.ln_1.weight": 1 + of(hidden), f"{name}.attn.c_attn.weight": of(3 * wide, hidden),
                    f"{name}.attn.c_attn.bias": of(3 * wide), f"{name}.attn.c_proj.weight": of(hidden, wide),
                    f"{name}.ln_2.weight": 1 + of(hidden), f"{name}.mlp.w1.weight": of(inner, hidden),
                    f"{name}.mlp.w2.weight": of(inner, hidden), f"{name}.mlp.c_proj.weight": of(hidden, inner)}
    return tensors


def write_text(folder, name, text):
    with open(os.path.join(folder, name), "w") as out:
        out.write(text)


def write_floats(path, floats):
    with open(path, "wb") as out:
        out.write(struct.pack(f"<{len(floats)}f", *floats))


def small_vocabulary():
    """All bytes and ten words, in tiktoken's format; 208 special tokens follow."""
    tokens = [bytes([i]) for i in range(256)]
    tokens += [b"th", b"the", b" t", b" the", b"in", b"er", b"an", b" a", b"re", b"on"]
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))


def write_configuration(folder, config):
    write_text(folder, "config.json", json.dumps(config, indent=1) + "\n")
    write_text(folder, "generation_config.json", json.dumps(GENERATION, indent=1) + "\n")
    write_text(folder, "tokenizer_config.json", json.dumps({"model_max_length": 24, "tokenizer_class": "QWenTokenizer"}) + "\n")
    write_text(folder, "qwen.tiktoken", small_vocabulary())


@torch.no_grad()
def plain():
    torch.manual_seed(7)
    tensors = random_tensors(CONFIG)
    folder = os.path.join(FIXTURES, "qwen")
    os.makedirs(folder, exist_ok=True)
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    write_configuration(folder, CONFIG)
    cases, floats = [], []
    for prompt, more in CASES:
        ids = torch.randint(0, CONFIG["vocab_size"], (prompt + more,)).tolist()
        model = QWen(CONFIG, tensors)
        rows = [model.forward(ids[:prompt])] + [model.forward([token]) for token in ids[prompt:]]
        floats += torch.cat(rows)[-POSITIONS:].flatten().tolist()
        cases.append({"prompt": ids[:prompt], "continuation": ids[prompt:], "positions": POSITIONS})
        print(prompt, more, "alpha", model.alpha)
    write_text(FIXTURES, "qwen.json", json.dumps({"cases": cases}, separators=(",", ":")) + "\n")
    write_floats(os.path.join(FIXTURES, "qwen.f32"), floats)


@torch.no_grad()
def gptq():
    """As AutoGPTQ published the Int4 chat models, but for the size of the groups."""
    spec = importlib.util.spec_from_file_location("quantized_golden", os.path.join(HERE, "quantized-golden.py"))
    layouts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layouts)
    torch.manual_seed(8)
    config = CONFIG | {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 1}
    tensors = {name: tensor.half().float() for name, tensor in random_tensors(config).items()}
    stored = {name: tensor.half() for name, tensor in tensors.items()}
    for name in list(tensors):
        if ".weight" not in name or ".attn." not in name and ".mlp." not in name:
            continue
        module = name.removesuffix(".weight")
        codes = layouts.Codes(tensors[name].numpy(), 4, 32, True)
        tensors[name] = torch.from_numpy(codes.weight)
        del stored[name]
        stored |= {f"{module}.{key}": value for key, value in layouts.gptq(codes).items()}
        # It wrote a bias for every module.
        stored.setdefault(f"{module}.bias", torch.zeros(codes.codes.shape[0], dtype=torch.float16))
    folder = os.path.join(FIXTURES, "quantized", "qwen-gptq-4bit-g32")
    os.makedirs(folder, exist_ok=True)
    stored = {name: tensor.contiguous() for name, tensor in stored.items()}
    save_file(stored, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    write_configuration(folder, config)
    scheme = {"bits": 4, "group_size": 32, "damp_percent": 0.01, "desc_act": False, "static_groups": False, "sym": True,
              "true_sequential": True, "model_name_or_path": None, "model_file_base_name": "model"}
    write_text(folder, "quantize_config.json", json.dumps(scheme, indent=1) + "\n")
    ids = torch.randint(0, config["vocab_size"], (21,)).tolist()
    write_text(folder, "golden.json", json.dumps({"prompt": ids}) + "\n")
    write_floats(os.path.join(folder, "golden.f32"), QWen(config, tensors).forward(ids).flatten().tolist())


plain()
gptq()
