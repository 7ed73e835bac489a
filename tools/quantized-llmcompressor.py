"""Quantises a Hugging Face folder with llm-compressor, rounding to nearest: compressed-tensors by the program that defines them.

    python tools/quantized-llmcompressor.py FOLDER NAME [SCHEME…]

A SCHEME is one of the program's presets (W4A16, W4A16_ASYM, W8A8; the first and the last by default). Each lands in
PAGODA_CACHE/quantized/NAME-llmcompressor-SCHEME (~/.cache/pagoda) and takes a minute. Needs torch, transformers and llmcompressor
(0.14.0.1 was used). Afterwards tools/quantized-reference.py writes the logits that Tests/ModelsTests compare with.
"""
import os, sys
import torch
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import QuantizationModifier
from transformers import AutoModelForCausalLM, AutoTokenizer

CACHE = os.path.join(os.environ.get("PAGODA_CACHE", os.path.expanduser("~/.cache/pagoda")), "quantized")

for scheme in sys.argv[3:] or ["W4A16", "W8A8"]:
    target = os.path.join(CACHE, f"{sys.argv[2]}-llmcompressor-{scheme.lower()}")
    if not os.path.exists(target):
        model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16)
        oneshot(model=model, recipe=QuantizationModifier(targets="Linear", scheme=scheme, ignore=["lm_head"]))
        model.save_pretrained(target, save_compressed=True)
        AutoTokenizer.from_pretrained(sys.argv[1]).save_pretrained(target)
    print(target)
