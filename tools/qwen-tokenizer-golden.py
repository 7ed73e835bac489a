"""Makes Tests/TokenizationTests/Fixtures/qwen.golden: what the tokenizer of first-generation Qwen makes of strings.json.

    python tools/qwen-tokenizer-golden.py

The reference is tiktoken itself, set up as the published tokenizer does it (pattern, special tokens, NFC). Its vocabulary file,
qwen.tiktoken, is rebuilt by qwen_vocabulary.py; the test does the same. Lines are those of tools/tokenizer-golden.py. Needs tiktoken and gguf.
"""
import json, os, unicodedata
import tiktoken
from qwen_vocabulary import COUNT, ranks

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "Tests", "TokenizationTests", "Fixtures")
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
           r"|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"<|extra_{i}|>" for i in range(205)]


def fnv1a(data):
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{value:08x}"


def hash_ids(ids):
    return fnv1a(b"".join(i.to_bytes(4, "little") for i in ids))


encoding = tiktoken.Encoding("qwen", pat_str=PATTERN, mergeable_ranks=ranks(),
                             special_tokens={token: COUNT + i for i, token in enumerate(SPECIAL)})
with open(os.path.join(FIXTURES, "strings.json"), encoding="utf-8") as file:
    strings = json.load(file)
with open(os.path.join(FIXTURES, "qwen.golden"), "w") as out:
    for text in strings:
        text = unicodedata.normalize("NFC", text)
        ids = encoding.encode(text, allowed_special="all", disallowed_special=())
        untrusted = encoding.encode(text, allowed_special=set(), disallowed_special=())
        out.write(f"{hash_ids(ids)} {hash_ids(untrusted)} {fnv1a(encoding.decode_bytes(ids))}\n")
print(len(strings), "texts")
