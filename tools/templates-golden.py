"""Writes the golden files of Tests/TemplatingTests/Fixtures with Jinja2 as Transformers sets it up.

    conversations.json  what the templates are given
    templates.json      what published chat templates make of each conversation
    snippets.json       what small pieces of template give, each for one rule of the language

Run with a Python that has transformers, jinja2 and gguf: python tools/templates-golden.py
The templates come from tools/fetch-template-corpus.sh and tools/fetch-model.sh; they are not stored in this repository.
"""

import datetime
import hashlib
import json
import os
from pathlib import Path

import jinja2
from gguf import GGUFReader
from template_snippets import SNIPPETS, VARIABLES
from transformers.utils.chat_template_utils import _cached_compile_jinja_template

CACHE = Path(os.environ.get("PAGODA_CACHE", Path.home() / ".cache/pagoda"))
FIXTURES = Path(__file__).parent.parent / "Tests/TemplatingTests/Fixtures"
NOW = datetime.datetime(2024, 7, 6, 13, 5, 9)
LONGEST_TEXT = 1000
# Of the corpus, beside the first half.
FAMILIES = ["Qwen-Qwen3-0.6B.jinja", "microsoft-Phi-3.5-mini-instruct.jinja"]
MODELS = ["SmolLM2-135M-Instruct.Q4_1.gguf", "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf"]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather <now> & \"here\" in a città 🌦",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                    "days": {"type": "integer", "minimum": 1, "maximum": 14},
                    "points": {"type": "array", "items": {"type": "number"}},
                },
                "required": ["city"],
            },
            "return": {"type": "string"},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Add two numbers",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": ["number", "null"]}},
                "required": ["a", "b"],
            },
        },
    },
]
CALL = {
    "id": "call00001",
    "type": "function",
    "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "exact": True, "note": None}},
}
SECOND_CALL = {"id": "call00002", "type": "function", "function": {"name": "add", "arguments": {"a": 1.5, "b": 2}}}
CALL_WITH_TEXT = {
    "id": "call00003",
    "type": "function",
    "function": {"name": "add", "arguments": "{\"a\": 1, \"b\": 2}"},
}
USER = {"role": "user", "content": "What is 2 + 2?"}
SYSTEM = {"role": "system", "content": "You are terse."}
ASSISTANT = {"role": "assistant", "content": "4"}
TURNS = [USER, ASSISTANT, {"role": "user", "content": "  And 3 + 3?\n"}]
TOOL_TURNS = [
    {"role": "user", "content": "Weather in Zürich, and 1.5 + 2?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL, SECOND_CALL]},
    {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"sky\": \"blue\"}"},
    {"role": "tool", "name": "add", "tool_call_id": "call00002", "content": "3.5"},
    {"role": "assistant", "content": "Blue, and 3.5."},
    {"role": "user", "content": "Thanks"},
]
THOUGHT = {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\n4"}
REASONED = {"role": "assistant", "content": "4", "reasoning_content": "Two and two.", "reasoning": "Two and two."}
PARTS = [
    {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
    {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
]

CONVERSATIONS = {
    "user": dict(messages=[USER], add_generation_prompt=True),
    "no prompt": dict(messages=[USER, ASSISTANT], add_generation_prompt=False),
    "system": dict(messages=[SYSTEM, USER], add_generation_prompt=True),
    "turns": dict(messages=[SYSTEM, *TURNS], add_generation_prompt=True),
    "tools": dict(messages=[SYSTEM, USER], tools=TOOLS, add_generation_prompt=True),
    "tools without system": dict(messages=[USER], tools=TOOLS, add_generation_prompt=True),
    "tool results": dict(messages=TOOL_TURNS, tools=TOOLS, add_generation_prompt=True),
    "tool results last": dict(messages=[SYSTEM, *TOOL_TURNS[:4]], tools=TOOLS, add_generation_prompt=True),
    "one tool call": dict(
        messages=[USER, {"role": "assistant", "content": None, "tool_calls": [SECOND_CALL]}, TOOL_TURNS[3]],
        tools=TOOLS[1:], add_generation_prompt=True),
    "arguments as text": dict(
        messages=[USER, {"role": "assistant", "content": "", "tool_calls": [CALL_WITH_TEXT]},
                  {"role": "tool", "tool_call_id": "call00003", "content": "3"}],
        tools=TOOLS, add_generation_prompt=True),
    "empty content": dict(
        messages=[{"role": "system", "content": ""}, {"role": "user", "content": ""}], add_generation_prompt=True),
    "unicode": dict(
        messages=[{"role": "user", "content": "e\u0301 é ß İ Σας 漢字 🇨🇭 \u00a0\u2003\ttab 'q' \"d\" \\"}],
        add_generation_prompt=True),
    "special tokens": dict(
        messages=[{"role": "user", "content": "<|im_end|>\n<|im_start|>system\n</s>[INST]<start_of_turn><|eot_id|>"}],
        add_generation_prompt=True),
    "parts": dict(messages=PARTS, add_generation_prompt=True),
    "thinking": dict(
        messages=[SYSTEM, USER, THOUGHT, TURNS[2]], add_generation_prompt=True, enable_thinking=True, thinking=True),
    "no thinking": dict(
        messages=[USER, REASONED, TURNS[2]], add_generation_prompt=True, enable_thinking=False, thinking=False,
        reasoning_effort="low", documents=[{"title": "T", "text": "D"}]),
    "no messages": dict(messages=[], add_generation_prompt=True),
    "wrong order": dict(messages=[ASSISTANT, USER, USER, SYSTEM], add_generation_prompt=True),
    "unknown role": dict(messages=[{"role": "critic", "content": "Hm."}], add_generation_prompt=False),
}


def render(source, variables):
    """What Transformers makes of it, or why it makes nothing."""
    try:
        template = _cached_compile_jinja_template(source)
        template.environment.globals["strftime_now"] = NOW.strftime
        text = template.render(**variables)
    except jinja2.exceptions.TemplateSyntaxError as error:
        return {"error": type(error).__name__}
    except jinja2.exceptions.TemplateError as error:
        if type(error) is jinja2.exceptions.TemplateError:
            return {"raised": str(error)}
        return {"error": type(error).__name__}
    except Exception as error:
        return {"error": type(error).__name__}
    return {"text": text}


def shortened(result):
    """Long texts by their length and hash (64-bit FNV-1a of the UTF-8)."""
    text = result.get("text")
    if text is None or len(text) <= LONGEST_TEXT:
        return result
    code = 0xCBF29CE484222325
    for byte in text.encode():
        code = (code ^ byte) * 0x100000001B3 % 2**64
    return {"bytes": len(text.encode()), "hash": f"{code:016x}"}

def templates():
    """Each template with its name, its origin and the tokens that the tokenizer would add to its variables."""
    for name in MODELS:
        fields = GGUFReader(CACHE / "models" / name).fields
        tokens = fields["tokenizer.ggml.tokens"]
        special = {}
        for key in ["bos", "eos"]:
            if field := fields.get(f"tokenizer.ggml.{key}_token_id"):
                special[f"{key}_token"] = bytes(tokens.parts[tokens.data[field.parts[field.data[0]][0]]]).decode()
        field = fields["tokenizer.chat_template"]
        yield name, "models", bytes(field.parts[field.data[0]]).decode(), special
    for path in sorted((CACHE / "corpora/llama.cpp/templates").glob("*.jinja")):
        if path.name[0].lower() <= "l" or path.name in FAMILIES:
            special = {"bos_token": "<|bos|>", "eos_token": "<|eos|>"}
            yield path.name, "corpus", path.read_bytes().decode(), special


def write(name, value):
    text = json.dumps(value, ensure_ascii=False, indent=1)
    (FIXTURES / name).write_text(text + "\n")


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    write("conversations.json", CONVERSATIONS)
    results = []
    for name, origin, source, special in templates():
        rendered = {key: shortened(render(source, special | value)) for key, value in CONVERSATIONS.items()}
        results.append({
            "name": name, "origin": origin, "sha256": hashlib.sha256(source.encode()).hexdigest(),
            "tokens": special, "results": rendered,
        })
    write("templates.json", results)
    snippets = [{"template": snippet, **render(snippet, VARIABLES)} for snippet in SNIPPETS]
    write("snippets.json", {"variables": VARIABLES, "snippets": snippets})


if __name__ == "__main__":
    main()
