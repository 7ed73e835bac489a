"""The vocabulary of first-generation Qwen, rebuilt from that of Qwen2 (tools/fetch-template-corpus.sh fetches it), whose ids are
its ranks. Needs gguf."""
import base64, os
from gguf import GGUFReader

CACHE = os.environ.get("PAGODA_CACHE") or os.path.expanduser("~/.cache/pagoda")
COUNT = 151643


def ranks():
    """The bytes of each token → its rank."""
    reader = GGUFReader(f"{CACHE}/corpora/llama.cpp/ggml-vocab-qwen2.gguf")
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    bytes_of = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()[:COUNT]
    return {bytes(bytes_of[letter] for letter in token): rank for rank, token in enumerate(tokens)}


def tiktoken_file():
    """The text of qwen.tiktoken."""
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks().items())
