"""Makes the golden tokens that Tests/TokenizationTests compare with, from `tokenizers` and `sentencepiece`.

    python tools/tokenizer-golden.py

Needs tokenizers, transformers, sentencepiece, protobuf and gguf, and the files of tools/fetch-model.sh (both models)
and tools/fetch-template-corpus.sh. Writes into Tests/TokenizationTests/Fixtures:

    strings.json          the texts, made from a fixed seed
    NAME.golden           one line for each text: FNV-1a hashes of the ids with special tokens recognised, of the ids
                          without, and of the text that the first ids decode to
    components.json       small trained tokenizers that use one component of tokenizer.json each, with the same hashes
    families.json         the same put together as the tokenizers of model families are; alone by the argument `families`

The trainer's choice among equally frequent pairs varies, so components.json and families.json differ from run to run; the rest
does not.
"""

import json
import os
import random
import sys
import unicodedata

from gguf import GGUFReader
from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, GemmaTokenizer

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "Tests", "TokenizationTests", "Fixtures")
CACHE = os.environ.get("PAGODA_CACHE") or os.path.expanduser("~/.cache/pagoda")
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
O200K_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# --- Texts

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "I'm sure they'll say it's what we've DONE; YOU'RE, HE'D, I'LL, 'tis",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Portez ce vieux whisky au juge blond qui fume.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia.",
    "À noite, vovô Kowalsky vê o ímã cair no pé do pinguim.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Жебракують філософи при ґанку церкви в Гадячі.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה",
    "نص حكيم له سر قاطع وذو شأن عظيم",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश",
    "আমি বাংলায় গান গাই",
    "தமிழ் மொழி மிகவும் பழமையானது",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
    "ຂ້ອຍກິນແກ້ວໄດ້",
    "မြန်မာဘာသာစကား",
    "ខ្ញុំអាចញ៉ាំកញ្ចក់បាន",
    "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。",
    "いろはにほへと ちりぬるを カタカナ ﾊﾝｶｸ",
    "키스의 고유조건은 입술끼리 만나야 한다",
    "ქართული ენა",
    "Կրնամ ապակի ուտել",
    "ልጅነቴን በጨዋታ",
    "ᚠᛇᚻ ᛒᛦᚦ ᚠᚱᚩᚠᚢᚱ",
    "ᎠᏍᎦᏯ ᏣᎳᎩ",
    "Đây là tiếng Việt có dấu",
    "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "Pchnąć w tę łódź jeża lub ośm skrzyń fig",
    "İstanbul ıssız ığdır",
    "ŉ ǅ ǆ ﬁ ﬆ ß ẞ ſ K Å",
]
CODE = [
    "def f(x):\n    return [i**2 for i in range(x)]  # comment\n",
    'for (int i=0; i<10; ++i) {\n\tprintf("%d\\n", i);\n}\n',
    "SELECT * FROM t WHERE a >= 1 AND b != 'x';",
    "let x: [String: Int] = [:]\r\n\r\nfunc g() -> Void {}\r\n",
    '</div><a href="#">&nbsp;</a>',
    "https://example.org/a?b=c&d=%20#e",
    "$\\frac{1}{2} \\sum_{i=0}^{n} x_i^2$",
    '#!/bin/sh\nset -e\nexec "$@"\n',
    '{"a": [1, 2.5e-3, null]}',
    "0xDEADBEEF 1_000_000 3.14159 1e10 -42 +7 1/2",
    "a.b.c->d::e??.f",
    "==========\n----------\n**bold** _it_ `code`\n\n\n\n1. one\n2. two",
]
EMOJI = "😀 😁 🎉 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 🦙 ❤️ ☺︎ 1️⃣ 🧑🏿‍💻 🫠 ⏳ ™️ ©".split(" ")
SPACES = [
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\u00a0",
    "\u3000",
    "\u2003",
    "\u2028",
    "\u200b",
    "\u0085",
    "\u1680",
    "\x0b",
    "\x0c",
    "\ufeff",
]
NUMBERS = "0 7 42 123 1234 20241231 3.14 ٠١٢٣٤٥ १२३ Ⅷ ²³ ½ ①② ５６７ 𝟙𝟚 〇一二 1,234,567.89".split(" ")
MARKS = list("\u0301\u0323\u0307\u0308\u0327\u0344\u20dd\u093c\u3099\u05bc\u1161\u11a8\u0338")
SPECIAL = (
    "<s> </s> <unk> <|im_start|> <|im_end|> <|endoftext|> <|begin_of_text|> <|eot_id|> <|start_header_id|> "
    "<repo_name> <tool_call> </tool_call> <|fim_prefix|> <|im_start| |im_end|> <0x41> <0xE2> ▁ ▁▁ Ġ Ċ "
    "<|im_start|><|im_end|>"
).split(" ")
BLOCKS = [
    tuple(int(end, 16) for end in block.split("-"))
    for block in (
        "20-7E A0-24F 250-36F 370-3FF 400-52F 530-5FF 600-6FF 900-DFF E00-FFF 1000-13FF 1E00-1FFF 2000-2BFF "
        "3000-30FF 4E00-9FFF AC00-D7A3 E000-E0FF F900-FFEF FFF0-FFFF 10000-10FFF 1D400-1D7FF 1F300-1FAFF "
        "20000-20FFF 2F800-2FA1F E0000-E01EF 10FF00-10FFFF"
    ).split(" ")
]


def texts():
    pick = random.Random(20240917)
    words = [w for s in SENTENCES + CODE for w in s.split(" ")]
    scalar = lambda: chr(pick.randint(*pick.choice(BLOCKS)))
    atoms = [
        lambda: pick.choice(words),
        lambda: pick.choice(EMOJI),
        lambda: pick.choice(NUMBERS),
        lambda: pick.choice(SPACES),
        lambda: " ",
        lambda: " ",
        lambda: pick.choice(MARKS),
        lambda: pick.choice("'’`\"()[]{}<>.,;:!?-_=+*/\\|@#$%^&~"),
        scalar,
        lambda: chr(pick.randint(0, 0x1F)),
        lambda: pick.choice(["'s", "'S", "'ll", "'LL", "'Re", "'ve", "'ſ", "’s", "'", "'d1", " 't"]),
        lambda: pick.choice(SPECIAL),
    ]
    made = [
        "",
        " ",
        "  ",
        "\n",
        "a",
        "Hello world",
        " Hello",
        "Hello  world ",
        *SENTENCES,
        *CODE,
        *EMOJI,
        *SPACES,
        *NUMBERS,
        *SPECIAL,
    ]
    made += [s + e for s in SPACES for e in ("a", " a", "\n", "1", ".")]
    made += [f"a{s}{t}{s}b" for t in SPECIAL for s in ("", " ", "\n", "  ")]
    made += [unicodedata.normalize(form, s) for form in ("NFD", "NFC", "NFKD") for s in SENTENCES]
    made += [
        "a" * 1500,
        "ab" * 700,
        "".join(pick.choice("abcdefghij") for _ in range(1500)),
        "9" * 400,
        " " * 300,
        "\n" * 200,
        "\t \n" * 100,
        "é" * 300,
        "水" * 300,
        "🦙" * 100,
        "e" + "\u0301\u0323" * 100,
        "=" * 300,
        "<|im_start|>" * 20,
        "'" * 100,
        "aA" * 300,
        " x" * 300,
    ]
    while len(made) < 2600:
        kind = pick.random()
        if kind < 0.2:
            made.append("".join(scalar() for _ in range(pick.randint(1, 12))))
        elif kind < 0.4:
            made.append("".join(pick.choice(SPACES + ["a", "1", "."]) for _ in range(pick.randint(1, 10))))
        elif kind < 0.5:
            made.append(
                "".join(
                    pick.choice("aeoAUcn가") + "".join(pick.choice(MARKS) for _ in range(pick.randint(0, 3)))
                    for _ in range(pick.randint(1, 6))
                )
            )
        elif kind < 0.6:
            made.append("".join(pick.choice(SPECIAL + [" ", "\n", "x"]) for _ in range(pick.randint(1, 6))))
        else:
            made.append("".join(pick.choice(atoms)() for _ in range(pick.randint(2, 20))))
    return [s for s in made if not any(0xD800 <= ord(c) < 0xE000 for c in s)]


# --- Reference tokenizers


def fnv1a(data):
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{value:08x}"


def hash_ids(ids):
    return fnv1a(b"".join(i.to_bytes(4, "little") for i in ids))


def gguf_fields(path):
    reader = GGUFReader(path)
    return lambda key, default=None: (
        reader.fields[f"tokenizer.ggml.{key}"].contents() if f"tokenizer.ggml.{key}" in reader.fields else default
    )


def from_gguf(path):
    """A `tokenizers` object with the meaning of a GGUF vocabulary."""
    field = gguf_fields(path)
    tokens, types = field("tokens"), field("token_type")
    vocab = {t: i for i, t in enumerate(tokens)}
    if field("model") == "gpt2":
        pre = field("pre")
        merges = [tuple(m.split(" ")) for m in field("merges")]
        tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=pre == "llama-bpe"))
        byte_level = lambda regex: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)
        split = lambda pattern: pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level(False)]
        )
        tokenizer.pre_tokenizer = {
            "gpt-2": lambda: byte_level(True),
            "smollm": lambda: pre_tokenizers.Sequence(
                [pre_tokenizers.Digits(individual_digits=True), byte_level(True)]
            ),
            "llama-bpe": lambda: split(CL100K_PATTERN % "{1,3}"),
            "qwen2": lambda: split(CL100K_PATTERN % ""),
        }[pre]()
        if pre == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.decoder = decoders.ByteLevel()
    else:
        scores = field("scores")
        normal = {t for t, kind in zip(tokens, types) if kind == 1}
        order = sorted((i for i, t in enumerate(tokens) if t in normal), key=lambda i: -scores[i])
        merges = [
            (tokens[i][:k], tokens[i][k:])
            for i in order
            for k in range(1, len(tokens[i]))
            if tokens[i][:k] in normal and tokens[i][k:] in normal
        ]
        tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    named = {field("bos_token_id"), field("eos_token_id")}
    tokenizer.add_special_tokens(
        [
            AddedToken(t, normalized=False, special=True)
            for i, t in enumerate(tokens)
            if types[i] in (2, 3) or i in named
        ]
    )
    tokenizer.add_tokens([AddedToken(t, normalized=False) for i, t in enumerate(tokens) if types[i] == 4])
    return tokenizer


def check_with_sentencepiece(path, tokenizer, strings):
    """The model that a GGUF file was made from, rebuilt: SentencePiece itself has to agree."""
    from sentencepiece import sentencepiece_model_pb2 as proto

    field = gguf_fields(path)
    model = proto.ModelProto()
    for token, score, kind in zip(field("tokens"), field("scores"), field("token_type")):
        model.pieces.add(piece=token, score=score, type=kind)
    model.trainer_spec.model_type = proto.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    reference = SentencePieceProcessor(model_proto=model.SerializeToString())
    tokenizer.encode_special_tokens = True
    for text in strings:
        # SentencePiece ends a text at NUL in its own way and is not asked for it.
        if "\0" not in text:
            assert reference.encode(text) == tokenizer.encode(text, add_special_tokens=False).ids, repr(text)
    tokenizer.encode_special_tokens = False


def check_with_transformers(path, tokenizer, strings):
    other = AutoTokenizer.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path))._tokenizer
    # Transformers' GGUF reader leaves out the digit splitter and the normalizer of the published tokenizers.
    other.normalizer = tokenizer.normalizer
    if gguf_fields(path)("pre") == "smollm":
        other.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), other.pre_tokenizer]
        )
    for text in strings:
        if "<" not in text:
            assert (
                other.encode(text, add_special_tokens=False).ids == tokenizer.encode(text, add_special_tokens=False).ids
            ), repr(text)


def golden(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    tokenizer.encode_special_tokens = True
    untrusted = tokenizer.encode(text, add_special_tokens=False).ids
    tokenizer.encode_special_tokens = False
    decoded = tokenizer.decode(ids, skip_special_tokens=False).encode()
    return f"{hash_ids(ids)} {hash_ids(untrusted)} {fnv1a(decoded)}"


# --- Components of tokenizer.json


def trained(
    strings,
    *,
    normalizer=None,
    pre_tokenizer=None,
    byte_level=True,
    post=None,
    ignore_merges=False,
    added=(),
    decoder=None,
    fuse=True,
    alphabet_limit=150,
):
    kind = (
        models.BPE(ignore_merges=ignore_merges)
        if byte_level
        else models.BPE(unk_token="<unk>", fuse_unk=fuse, byte_fallback=fuse)
    )
    tokenizer = Tokenizer(kind)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder or (
        decoders.ByteLevel()
        if byte_level
        else decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet() if byte_level else []
    special = ["<unk>", "<s>", "</s>"] + ([f"<0x{i:02X}>" for i in range(256)] if fuse and not byte_level else [])
    trainer = trainers.BpeTrainer(
        vocab_size=560,
        special_tokens=special,
        initial_alphabet=alphabet,
        limit_alphabet=alphabet_limit,
        show_progress=False,
    )
    tokenizer.train_from_iterator(strings, trainer)
    # The trainer makes special tokens of the byte tokens; in published files they are ordinary ones.
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_tokens(list(added))
    if post:
        tokenizer.post_processor = post
    return tokenizer


def component_cases(strings):
    byte_level = lambda regex=False, prefix=False: pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    split = lambda pattern, behavior="isolated", invert=False: pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, behavior, invert), byte_level()]
    )
    spaces = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    odd = [
        AddedToken("<left>", lstrip=True, normalized=False),
        AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("<both>", lstrip=True, rstrip=True, special=True, normalized=False),
        AddedToken("fox", single_word=True, normalized=False),
        AddedToken("<le", normalized=False),
        AddedToken("é", normalized=True),
        AddedToken("  ", normalized=True),
    ]
    template = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A $B", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    # The reference decodes a normalized added token to its text after normalization, which puts a space in front of it
    # in the middle of a text: those are not tried with Prepend.
    plain = [token for token in odd if not token.normalized]
    make = lambda **options: trained(
        strings, **({"alphabet_limit": 400} if options.get("byte_level", True) else {}) | options
    )
    return {
        "byte level": make(pre_tokenizer=byte_level(True)),
        "byte level with a space in front, bytes missing": make(
            pre_tokenizer=byte_level(True, prefix=True), added=odd, alphabet_limit=150
        ),
        "cl100k pattern, whole words, template": make(
            pre_tokenizer=split(Regex(CL100K_PATTERN % "{1,3}")), ignore_merges=True, post=template, added=odd
        ),
        "o200k pattern, NFC": make(pre_tokenizer=split(Regex(O200K_PATTERN)), normalizer=normalizers.NFC(), added=odd),
        "three patterns": make(
            pre_tokenizer=pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated"),
                    pre_tokenizers.Split(Regex("[一-龥\u3040-ゟ゠-ヿ]+"), "isolated"),
                    pre_tokenizers.Split(
                        Regex(
                            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
                            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
                        ),
                        "isolated",
                    ),
                    byte_level(),
                ]
            )
        ),
        "lazy, counted, line end": make(
            pre_tokenizer=split(Regex(r"a{2,}?|(?:be|b)+?e|\s+$|[\p{L}]{1,4}?x|.{3}(?=[aeiou])"))
        ),
        "digits together": make(
            pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), byte_level(True)])
        ),
        "merged with previous": make(pre_tokenizer=split(" ", "merged_with_previous")),
        "merged with next": make(pre_tokenizer=split(Regex(r"\s"), "merged_with_next")),
        "removed": make(pre_tokenizer=split(Regex(r"\s+"), "removed")),
        "inverted, removed": make(pre_tokenizer=split(Regex(GPT2_PATTERN), "removed", True)),
        "SentencePiece by normalizer": make(normalizer=spaces, byte_level=False, post=template, added=plain),
        "Metaspace always": make(
            pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="always", split=True), byte_level=False, added=odd
        ),
        "Metaspace first, not split": make(
            pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first", split=False), byte_level=False, added=odd
        ),
        "unknown characters, each": make(
            normalizer=spaces,
            byte_level=False,
            fuse=False,
            decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        ),
    }


def family_cases(strings):
    """As the published tokenizer.json of these families are; Gemma's as Transformers itself puts it together."""
    split = lambda pattern: pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    marks = normalizers.Replace(" ", "▁")
    gemma = trained(
        strings, normalizer=marks, byte_level=False,
        pre_tokenizer=pre_tokenizers.Split(" ", "merged_with_previous"),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
        added=[AddedToken(t, normalized=False) for t in ["\n\n", "▁▁", "▁▁▁", "<table>", "<unused0>"]],
    )
    model = json.loads(gemma.to_str())["model"]
    reference = GemmaTokenizer(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], bos_token="<s>",
                               eos_token="</s>", pad_token="<unk>", mask_token="<unk>").backend_tokenizer
    for part in ["normalizer", "pre_tokenizer", "decoder"]:
        assert json.loads(gemma.to_str())[part] == json.loads(reference.to_str())[part], part
    phi = [AddedToken(t, rstrip=True, normalized=False, special=True)
           for t in ["<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>", "<|system|>"]]
    turns = [AddedToken(t, normalized=False, special=True)
             for t in ["<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|endoftext|>"]]
    thoughts = [AddedToken(t, normalized=False) for t in ["<think>", "</think>", "<tool_call>", "</tool_call>"]]
    begin = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return {
        "Gemma 2 and 3": with_post(gemma, begin),
        "Phi-3": trained(
            strings, normalizer=normalizers.Sequence([normalizers.Prepend("▁"), marks]), byte_level=False, post=begin,
            added=phi,
        ),
        "Phi-4": trained(strings, pre_tokenizer=split(CL100K_PATTERN % "{1,3}"), alphabet_limit=400, added=turns),
        "Phi-4-mini": trained(strings, pre_tokenizer=split(O200K_PATTERN), alphabet_limit=400, added=phi),
        "Qwen3": trained(
            strings, pre_tokenizer=split(CL100K_PATTERN % ""), normalizer=normalizers.NFC(), alphabet_limit=400,
            added=turns + thoughts, post=processors.ByteLevel(trim_offsets=False),
        ),
    }


def with_post(tokenizer, post):
    tokenizer.post_processor = post
    return tokenizer


def main():
    os.makedirs(FIXTURES, exist_ok=True)
    strings = texts()
    write = lambda name, text: open(os.path.join(FIXTURES, name), "w", encoding="utf-8", newline="").write(text)
    write("strings.json", json.dumps(strings, ensure_ascii=False, separators=(",", ":")) + "\n")
    corpus, model = f"{CACHE}/corpora/llama.cpp/ggml-vocab-", f"{CACHE}/models/"
    vocabularies = {
        "gpt-2": corpus + "gpt-2.gguf",
        "llama-bpe": corpus + "llama-bpe.gguf",
        "llama-spm": corpus + "llama-spm.gguf",
        "qwen2": corpus + "qwen2.gguf",
        "smollm2": model + "SmolLM2-135M-Instruct.Q4_1.gguf",
        "qwen2.5": model + "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf",
    }
    for name, path in vocabularies.items():
        tokenizer = from_gguf(path)
        if name == "llama-spm":
            check_with_sentencepiece(path, tokenizer, strings)
        if path.startswith(model):
            check_with_transformers(path, tokenizer, strings)
        write(f"{name}.golden", "".join(golden(tokenizer, text) + "\n" for text in strings))
        print(name, len(strings), file=sys.stderr)
    write_cases("components.json", component_cases([s for s in strings if len(s) < 400]), strings)
    write_cases("families.json", family_cases([s for s in strings if len(s) < 400]), strings)


def write_cases(file, tokenizers, strings):
    few = strings[:200] + strings[-100:]
    extra = [
        "a <left> b <right> c <both> d",
        "fox foxes afox fox. fox",
        " <left><right> \n<both>\t<le <left",
        "café cafe\u0301  x  é",
        "<|user|>\nHi  there<|end|>\n<|assistant|>\n",
        "<think>\n\nx\n\n\n</think><|im_end|>  <table>  <unused0>   HelloWorld ABCdef",
    ]
    cases = []
    for name, tokenizer in tokenizers.items():
        around = tokenizer.encode("Hello world").ids
        cases.append(
            {
                "name": name,
                "tokenizer": json.loads(tokenizer.to_str()),
                "hello": around,
                "golden": [golden(tokenizer, s) for s in extra + few],
            }
        )
    with open(os.path.join(FIXTURES, file), "w", encoding="utf-8", newline="") as out:
        json.dump({"texts": extra + few, "cases": cases}, out, ensure_ascii=False, separators=(",", ":"))
        out.write("\n")


if sys.argv[1:] == ["families"]:
    every = texts()
    write_cases("families.json", family_cases([s for s in every if len(s) < 400]), every)
else:
    main()
