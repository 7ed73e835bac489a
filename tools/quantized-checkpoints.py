"""Quantises a model with auto-round into the layouts that are published: checkpoints by a program that is not ours.

    python tools/quantized-checkpoints.py MODEL.gguf NAME [LAYOUT…]

A LAYOUT is auto_gptq, auto_awq or llm_compressor (compressed-tensors), a group size and sym or asym, such as
auto_gptq-64-sym; five of them by default. Each lands in PAGODA_CACHE/quantized/NAME-LAYOUT (~/.cache/pagoda), rounded to
nearest without a search for scales, and takes a minute or two. Needs torch, transformers, gguf and auto-round (0.16.1 was
used). Afterwards tools/quantized-reference.py writes the logits that Tests/ModelsTests compare with.
"""
import json, os, shutil, sys
import torch
from auto_round import AutoRound
from transformers import AutoModelForCausalLM, AutoTokenizer

CACHE = os.path.join(os.environ.get("PAGODA_CACHE", os.path.expanduser("~/.cache/pagoda")), "quantized")
LAYOUTS = ["auto_gptq-64-sym", "auto_gptq-32-asym", "auto_awq-64-asym", "llm_compressor-64-asym", "llm_compressor-32-sym"]
TEXT = "A quantiser that only rounds to nearest looks at no text, but asks for some all the same. " * 80


def plain_folder(path, name):
    """The model as a Hugging Face folder in bf16, its weights dequantised."""
    folder = os.path.join(CACHE, f"hf-{name}")
    if not os.path.exists(os.path.join(folder, "config.json")):
        source, file = os.path.split(os.path.abspath(path))
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.bfloat16)
        model.hf_quantizer = None
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(folder)
        # Its weights are plain numbers by now.
        path = os.path.join(folder, "config.json")
        with open(path) as config:
            values = json.load(config)
        values.pop("quantization_config", None)
        with open(path, "w") as config:
            json.dump(values, config, indent=2)
    return folder


def quantise(source, target, layout):
    kind, group, symmetry = layout.rsplit("-", 2)
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    ids = tokenizer(TEXT, return_tensors="pt").input_ids[0]
    samples = [ids[i:i + 256].unsqueeze(0) for i in range(0, len(ids) - 256, 256)]
    rounding = AutoRound(model, tokenizer, bits=4, group_size=int(group), sym=symmetry == "sym", iters=0, disable_opt_rtn=True,
                         dataset=samples, seqlen=256, nsamples=len(samples), batch_size=4, device_map="cpu")
    rounding.quantize_and_save(target + ".part", format=kind)
    # The program makes a folder of its own in the one it is given.
    inner, = os.listdir(target + ".part")
    shutil.move(os.path.join(target + ".part", inner), target)
    os.rmdir(target + ".part")


folder = plain_folder(*sys.argv[1:3])
for layout in sys.argv[3:] or LAYOUTS:
    target = os.path.join(CACHE, f"{sys.argv[2]}-{layout}")
    if not os.path.exists(target):
        quantise(folder, target, layout)
    print(target)
