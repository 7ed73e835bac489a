"""Makes the golden logits and tokens that Tests/ModelsTests compare with, from Transformers in float32.

    python tools/logits-golden.py real  NAME MODEL.gguf   one real model: prompts, 64 greedy tokens each, sampled logits
    python tools/logits-golden.py small [NAME…]           small random checkpoints of every family and rope scaling
    python tools/logits-golden.py gguf LLAMA.CPP [NAME…]  the same as GGUF, by the converter in llama.cpp's source folder

Needs torch, transformers and gguf. Writes into Tests/ModelsTests/Fixtures. Prompts are fixed here and may not be swapped
for others: a difference is to be explained, not avoided.
"""
import json, os, pathlib, random, struct, sys, tempfile
import torch
from transformers import (AutoModelForCausalLM, AutoTokenizer, Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM,
                          Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM,
                          MixtralConfig, MixtralForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen2MoeConfig, Qwen2MoeForCausalLM, Qwen3Config, Qwen3ForCausalLM, Qwen3MoeConfig,
                          Qwen3MoeForCausalLM)

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "Tests", "ModelsTests", "Fixtures")
TOKENS = 64
SAMPLED_IDS = 256      # ids of the vocabulary whose logits are kept
SAMPLED_POSITIONS = 8  # of each prompt: the last ones

ENGLISH = ("The lighthouse keeper counted the ships every evening and wrote their names in a long book. Some came from "
           "the north with timber, others from the south with oranges and salt. When the fog was thick he rang the bell "
           "once a minute, and nobody in the village slept until it stopped. One winter the sea froze as far as one "
           "could see, and a fox walked over the ice to his door. ")
CHINESE = "北京是中国的首都，也是全国的政治和文化中心。春天的时候，公园里的花都开了，孩子们在湖边放风筝。"
CODE = ("def merge(left, right):\n    result = []\n    while left and right:\n        if left[0] <= right[0]:\n"
        "            result.append(left.pop(0))\n        else:\n            result.append(right.pop(0))\n"
        "    return result + left + right\n\n\nfor i in range(10):\n    print(i, merge([1, i], [2, 3]))\n")
EMOJI = "🎉🎂 Happy birthday 🥳! We went to the beach 🏖️ and ate 🍕🍦. Then 👩‍👩‍👧 took the 🚆 home 🏡 "
FACTS = ("Water boils at 100 degrees Celsius at sea level. The capital of France is Paris, that of Italy is Rome, that "
         "of Spain is Madrid. A week has seven days: Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday. ")


def prompts(tokenizer):
    """(name, ids): lengths around block and chunk borders, and kinds of text."""
    def of(text, length):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        while len(ids) < length:
            ids = ids + ids
        return ids[:length]

    mixed = ENGLISH + CODE + FACTS + CHINESE + EMOJI
    long_text = "".join(f"Chapter {i}. " + (ENGLISH, CODE, FACTS, CHINESE)[i % 4] for i in range(200))
    return [
        ("one token", of("The", 1)), ("two tokens", of(ENGLISH, 2)), ("english 15", of(ENGLISH, 15)),
        ("english 16", of(ENGLISH, 16)), ("english 17", of(ENGLISH, 17)), ("code 31", of(CODE, 31)),
        ("code 33", of(CODE, 33)), ("chinese 31", of(CHINESE, 31)), ("chinese 48", of(CHINESE, 48)),
        ("emoji 33", of(EMOJI, 33)), ("emoji 64", of(EMOJI, 64)), ("facts 15", of(FACTS, 15)),
        ("facts 40", of(FACTS, 40)), ("facts 17", of(FACTS[40:], 17)), ("code 64", of(CODE[30:], 64)),
        ("mixed 300", of(mixed, 300)), ("mixed 301", of(mixed[100:], 301)), ("english 300", of(ENGLISH, 300)),
        ("long 1500", of(long_text, 1500)), ("long 4000", of(long_text, 4000)),
    ]


@torch.no_grad()
def greedy(model, ids):
    """TOKENS greedy continuations, the margin between the two best logits of each, and the prompt's last logits."""
    tokens, margins, past = [], [], None
    step = torch.tensor([ids])
    kept = None
    for _ in range(TOKENS):
        out = model(step, past_key_values=past, use_cache=True, logits_to_keep=SAMPLED_POSITIONS if kept is None else 1)
        past, logits = out.past_key_values, out.logits[0].float()
        if kept is None:
            kept = logits
        best = torch.topk(logits[-1], 2)
        tokens.append(int(best.indices[0]))
        margins.append(round(float(best.values[0] - best.values[1]), 5))
        step = torch.tensor([[tokens[-1]]])
    return tokens, margins, kept


def real(name, path):
    folder, file = os.path.split(os.path.abspath(path))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    vocabulary = model.config.vocab_size
    sampled = sorted(random.Random(1).sample(range(vocabulary), SAMPLED_IDS))
    cases, floats = [], []
    for title, ids in prompts(tokenizer):
        tokens, margins, logits = greedy(model, ids)
        cases.append({"name": title, "prompt": ids, "tokens": tokens, "margins": margins, "positions": logits.shape[0]})
        floats.extend(logits[:, sampled].flatten().tolist())
        print(title, len(ids), repr(tokenizer.decode(tokens))[:70], "least margin", min(margins), flush=True)
    write(name, {"model": file, "sampledIDs": sampled, "cases": cases}, floats)


def write(name, document, floats):
    with open(os.path.join(FIXTURES, f"{name}.json"), "w") as out:
        json.dump(document, out, separators=(",", ":"))
        out.write("\n")
    with open(os.path.join(FIXTURES, f"{name}.f32"), "wb") as out:
        out.write(struct.pack(f"<{len(floats)}f", *floats))


SHAPE = dict(vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=False, initializer_range=0.4)
THREE_LAYERS = dict(num_hidden_layers=3)
GEMMA = {key: value for key, value in SHAPE.items() if key not in ("num_hidden_layers", "tie_word_embeddings")} | dict(
    head_dim=16, sliding_window=11)
LONGROPE = SHAPE | dict(
    hidden_size=64, pad_token_id=0, eos_token_id=2, original_max_position_embeddings=32, rope_parameters=dict(
        rope_type="longrope", rope_theta=1e4, partial_rotary_factor=0.75, original_max_position_embeddings=32,
        short_factor=[1.0, 1.1, 1.2, 1.3, 1.5, 2.0], long_factor=[1.0, 1.5, 2.0, 3.0, 3.5, 4.0]))
SMALL = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SHAPE)),
    "llama-tied-bf16-sharded": (LlamaForCausalLM, LlamaConfig(**{**SHAPE, "tie_word_embeddings": True})),
    "llama-biases-fp16": (LlamaForCausalLM, LlamaConfig(**SHAPE, attention_bias=True)),
    "llama-rope-llama3": (LlamaForCausalLM, LlamaConfig(**SHAPE, rope_parameters=dict(
        rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32))),
    "llama-rope-linear": (LlamaForCausalLM, LlamaConfig(**SHAPE, rope_parameters=dict(
        rope_type="linear", rope_theta=10000.0, factor=4.0))),
    "llama-rope-yarn": (LlamaForCausalLM, LlamaConfig(**SHAPE, rope_parameters=dict(
        rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32))),
    "mistral-window": (MistralForCausalLM, MistralConfig(**SHAPE, sliding_window=11, head_dim=16)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SHAPE)),
    "qwen3-window": (Qwen3ForCausalLM, Qwen3Config(
        **SHAPE, head_dim=16, use_sliding_window=True, sliding_window=11, max_window_layers=1)),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config(**GEMMA, num_hidden_layers=3, query_pre_attn_scalar=24,
                                               attn_logit_softcapping=3.0, final_logit_softcapping=8.0)),
    "gemma3-bf16": (Gemma3ForCausalLM, Gemma3TextConfig(
        **GEMMA, num_hidden_layers=7, query_pre_attn_scalar=24, rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
            sliding_attention=dict(rope_type="default", rope_theta=1e4)))),
    "phi3-window": (Phi3ForCausalLM, Phi3Config(**SHAPE, sliding_window=11, pad_token_id=0, eos_token_id=2)),
    "phi3-longrope": (Phi3ForCausalLM, Phi3Config(**LONGROPE)),
    "mixtral-window": (MixtralForCausalLM, MixtralConfig(
        **SHAPE, num_local_experts=4, num_experts_per_tok=2, sliding_window=11)),
    "qwen2moe": (Qwen2MoeForCausalLM, Qwen2MoeConfig(
        **SHAPE | THREE_LAYERS, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=24,
        shared_expert_intermediate_size=40, mlp_only_layers=[1])),
    "qwen3moe": (Qwen3MoeForCausalLM, Qwen3MoeConfig(
        **SHAPE | THREE_LAYERS, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=24, head_dim=16,
        norm_topk_prob=True, decoder_sparse_step=2)),
}
# What llama.cpp's converter does not carry over is left out: windows of Qwen and Mixtral, another scale of Gemma's scores.
GGUF = {
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**SHAPE, head_dim=16)),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config(**GEMMA, num_hidden_layers=3, query_pre_attn_scalar=16,
                                               attn_logit_softcapping=3.0, final_logit_softcapping=8.0)),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig(**GEMMA, num_hidden_layers=7, query_pre_attn_scalar=16)),
    "phi3": (Phi3ForCausalLM, Phi3Config(**SHAPE, sliding_window=11, pad_token_id=0, eos_token_id=2)),
    "phi3-longrope": (Phi3ForCausalLM, Phi3Config(**LONGROPE)),
    "mixtral": (MixtralForCausalLM, MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2)),
    "qwen2moe": (Qwen2MoeForCausalLM, Qwen2MoeConfig(
        **SHAPE, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=24, shared_expert_intermediate_size=40)),
    "qwen3moe": (Qwen3MoeForCausalLM, Qwen3MoeConfig(
        **SHAPE, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=24, head_dim=16, norm_topk_prob=True)),
}


@torch.no_grad()
def random_model(kind, config, seed):
    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = kind(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:  # norms start at 1 and biases at 0, which would hide a missing one
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@torch.no_grad()
def golden(name, model, lengths=(45,)):
    """Logits of every position of a prompt; of more than one if the model reads short prompts in another way."""
    for length in lengths:
        ids = torch.randint(0, model.config.vocab_size, (1, length))
        logits = model(ids).logits[0]
        suffix = "-short" if length < lengths[0] else ""
        write(name + suffix, {"prompt": ids[0].tolist()}, logits.flatten().tolist())
    print(name, sum(p.numel() for p in model.parameters()), "parameters")


def lengths(config):
    return (45, 29) if (config.rope_parameters or {}).get("rope_type") == "longrope" else (45,)


def small(names):
    for seed, (name, (kind, config)) in enumerate(SMALL.items()):
        if names and name not in names:
            continue
        model = random_model(kind, config, seed)
        dtype = torch.bfloat16 if "bf16" in name else torch.float16 if "fp16" in name else torch.float32
        model = model.to(dtype)
        folder = os.path.join(FIXTURES, name)
        model.save_pretrained(folder, max_shard_size="20KB" if "sharded" in name else "1GB")
        # As a user would load it: converting the model in memory would round its rotary frequencies too.
        model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        golden(name, model, lengths(config))


def gguf(source, names):
    sys.path[:0] = [source, os.path.join(source, "gguf-py")]
    import gguf as library
    from conversion import get_model_class
    for seed, (name, (kind, config)) in enumerate(GGUF.items()):
        if names and name not in names:
            continue
        model = random_model(kind, config, 100 + seed)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            # Gemma's converter counts the tokens; nothing else is taken from here.
            vocabulary = {f"token {i}": i for i in range(config.vocab_size)}
            with open(os.path.join(folder, "tokenizer.json"), "w") as out:
                json.dump({"model": {"vocab": vocabulary}, "added_tokens": []}, out)
            converter = get_model_class(kind.__name__)
            converter.set_vocab = lambda self: None
            out = pathlib.Path(FIXTURES) / f"{name}.gguf"
            converter(pathlib.Path(folder), library.LlamaFileType.ALL_F32, out, model_name=name).write()
            model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        golden(f"gguf-{name}", model, lengths(config))


if __name__ == "__main__":
    torch.manual_seed(0)
    if sys.argv[1] == "real":
        real(*sys.argv[2:4])
    elif sys.argv[1] == "gguf":
        gguf(sys.argv[2], sys.argv[3:])
    else:
        small(sys.argv[2:])
