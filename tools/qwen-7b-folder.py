"""Makes a folder of the shape of Qwen-7B-Chat-GPTQ, as published but for its weights, which are random: 5.8 GB.

    python tools/qwen-7b-folder.py [FOLDER]      PAGODA_CACHE/quantized/Qwen-7B-Chat-GPTQ (~/.cache/pagoda) by default

Names, types and shapes are those of the Int4 chat model (GPTQ, 4 bits, groups of 128, desc_act false, biases everywhere,
embedding and head in fp16, three shards). LAYERS=4 in the environment makes a smaller one. For tools/source-line.py, which
serves it. Needs numpy and gguf.
"""
import json, os, sys
import numpy as np
from qwen_vocabulary import CACHE, tiktoken_file

FOLDER = sys.argv[1] if len(sys.argv) > 1 else f"{CACHE}/quantized/Qwen-7B-Chat-GPTQ"
LAYERS = int(os.environ.get("LAYERS", 32))
HIDDEN, HEADS, INNER, VOCABULARY, GROUP = 4096, 32, 11008, 151936, 128
QUANTISATION = {"bits": 4, "group_size": GROUP, "damp_percent": 0.01, "desc_act": False, "static_groups": False, "sym": True,
                "true_sequential": True, "model_name_or_path": None, "model_file_base_name": "model"}
CONFIG = {
    "architectures": ["QWenLMHeadModel"], "attn_dropout_prob": 0.0, "auto_map": {}, "bf16": False, "emb_dropout_prob": 0.0,
    "fp16": True, "fp32": False, "hidden_size": HIDDEN, "initializer_range": 0.02, "intermediate_size": 2 * INNER,
    "kv_channels": HIDDEN // HEADS, "layer_norm_epsilon": 1e-06, "max_position_embeddings": 32768, "model_type": "qwen",
    "no_bias": True, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "onnx_safe": None, "rotary_emb_base": 10000,
    "rotary_pct": 1.0, "scale_attn_weights": True, "seq_length": 8192, "softmax_in_fp32": False, "tie_word_embeddings": False,
    "tokenizer_class": "QWenTokenizer", "torch_dtype": "float16", "use_cache": True, "use_dynamic_ntk": True,
    "use_flash_attn": "auto", "use_logn_attn": True, "vocab_size": VOCABULARY,
    "quantization_config": QUANTISATION | {"quant_method": "gptq"}}
GENERATION = {"chat_format": "chatml", "eos_token_id": 151643, "pad_token_id": 151643, "max_window_size": 6144,
              "max_new_tokens": 512, "do_sample": True, "top_k": 0, "top_p": 0.8, "repetition_penalty": 1.1}
random = np.random.default_rng(0)
# Cut from one block each, at random: making all of them would take minutes.
WORDS = random.integers(0, 2**32, 1 << 24, dtype=np.uint32)
NORMAL = (random.standard_normal(1 << 24, dtype=np.float32) * 0.02).astype(np.float16)


def cut(block, shape):
    count = int(np.prod(shape))
    return np.resize(np.roll(block[:1 << 22] if count < 1 << 22 else block, int(random.integers(1 << 20))), count).reshape(shape)


def module(name, rows, columns):
    """Tensors of a quantised linear layer."""
    groups = columns // GROUP
    return [(f"{name}.bias", lambda: cut(NORMAL, (rows,)) if name.endswith("c_attn") else np.zeros(rows, np.float16)),
            (f"{name}.g_idx", lambda: (np.arange(columns) // GROUP).astype(np.int32)),
            (f"{name}.qweight", lambda: cut(WORDS, (columns // 8, rows)).view(np.int32)),
            (f"{name}.qzeros", lambda: np.full((groups, rows // 8), 0x77777777, np.int32)),
            (f"{name}.scales", lambda: np.abs(cut(NORMAL, (groups, rows))) * np.float16(0.2) + np.float16(0.001))]


def layer(index):
    name = f"transformer.h.{index}"
    ones = lambda: np.ones(HIDDEN, np.float16)
    return [(f"{name}.ln_1.weight", ones), *module(f"{name}.attn.c_attn", 3 * HIDDEN, HIDDEN),
            *module(f"{name}.attn.c_proj", HIDDEN, HIDDEN), (f"{name}.ln_2.weight", ones),
            *module(f"{name}.mlp.w1", INNER, HIDDEN), *module(f"{name}.mlp.w2", INNER, HIDDEN),
            *module(f"{name}.mlp.c_proj", HIDDEN, INNER)]


def shard(path, tensors):
    header, offset = {}, 0
    arrays = [(name, make()) for name, make in tensors]
    for name, array in arrays:
        kind = {"float16": "F16", "int32": "I32"}[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for _, array in arrays:
            out.write(np.ascontiguousarray(array).data)
    return offset


os.makedirs(FOLDER, exist_ok=True)
table = lambda name: [(name, lambda: cut(NORMAL, (VOCABULARY, HIDDEN)))]
layers = lambda start, end: sum((layer(i) for i in range(start, end)), [])
parts = [table("transformer.wte.weight") + layers(0, LAYERS // 4), layers(LAYERS // 4, LAYERS * 2 // 3),
         layers(LAYERS * 2 // 3, LAYERS)
         + [("transformer.ln_f.weight", lambda: np.ones(HIDDEN, np.float16))] + table("lm_head.weight")]
index, total = {}, 0
for number, tensors in enumerate(parts):
    file = f"model-{number + 1:05}-of-{len(parts):05}.safetensors"
    total += shard(os.path.join(FOLDER, file), tensors)
    index |= {name: file for name, _ in tensors}
texts = {"config.json": CONFIG, "generation_config.json": GENERATION, "quantize_config.json": QUANTISATION,
         "tokenizer_config.json": {"model_max_length": 8192, "tokenizer_class": "QWenTokenizer"},
         "model.safetensors.index.json": {"metadata": {"total_size": total}, "weight_map": index}}
for name, value in texts.items():
    with open(os.path.join(FOLDER, name), "w") as out:
        json.dump(value, out, indent=1)
with open(os.path.join(FOLDER, "qwen.tiktoken"), "w") as out:
    out.write(tiktoken_file())
print(FOLDER, f"{total / 1e9:.2f} GB of weights")
