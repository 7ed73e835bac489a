#!/usr/bin/env python3
"""Compares what Pagoda's /metrics says after ten requests with what vLLM's said after the same ten.

    compare-with-vllm.py http://localhost:8000          makes the requests, scrapes, compares; status 1 if a difference
                                                        has no line in docs/metrics-vllm.md, or a line no difference
    compare-with-vllm.py --record VLLM_BIN MODEL_FOLDER starts vLLM, makes the requests and keeps its scrape as
                                                        Tests/EndToEndTests/Fixtures/vllm-scrape.txt

Both servers must be fresh and serve the same model with --max-model-len 2048. Compared are names, types, label names,
the values of labels that have few, bounds of buckets, and the counts that the ten requests decide: requests, tokens.
"""

import collections
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "Tests/EndToEndTests/Fixtures/vllm-scrape.txt"
EXPLANATIONS = ROOT / "docs/metrics-vllm.md"
# Labels whose values differ from server to server.
FREE_LABELS = {"model_name", "le", "version", "implementation", "major", "minor", "patchlevel"}

TEXT = "The harbour lies still in the evening."
QUESTION = [{"role": "user", "content": "Name a colour."}]
FIXED = {"temperature": 0, "ignore_eos": True}
# Lengths are fixed, so that the counts do not hang on what a model says. The last two are refused.
REQUESTS = [
    ("/v1/completions", {"prompt": TEXT, "max_tokens": 1, **FIXED}),
    ("/v1/completions", {"prompt": TEXT, "max_tokens": 16, **FIXED}),
    ("/v1/completions", {"prompt": TEXT * 20, "max_tokens": 32, **FIXED}),
    ("/v1/completions", {"prompt": TEXT, "max_tokens": 8, "stream": True, **FIXED}),
    ("/v1/completions", {"prompt": [TEXT, "Two."], "max_tokens": 4, **FIXED}),
    ("/v1/completions", {"prompt": TEXT, "max_tokens": 6, "n": 2, "seed": 1, "ignore_eos": True}),
    ("/v1/chat/completions", {"messages": QUESTION, "max_tokens": 12, **FIXED}),
    ("/v1/chat/completions", {"messages": QUESTION, "max_tokens": 12, "stream": True, **FIXED}),
    ("/v1/completions", {"prompt": TEXT, "max_tokens": -1}),
    ("/v1/completions", {"prompt": TEXT, "max_tokens": 1, "model": "no-such-model"}),
]
# Series whose values the requests decide, apart from labels.
DECIDED = [
    "vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:request_success_total",
    "vllm:num_preemptions_total", "vllm:num_requests_running", "vllm:num_requests_waiting",
    "vllm:time_to_first_token_seconds_count", "vllm:inter_token_latency_seconds_count",
    "vllm:e2e_request_latency_seconds_count", "vllm:request_queue_time_seconds_count",
    "vllm:request_prefill_time_seconds_count", "vllm:request_decode_time_seconds_count",
    "vllm:request_inference_time_seconds_count", "vllm:request_time_per_output_token_seconds_count",
    "vllm:request_prompt_tokens_count", "vllm:request_prompt_tokens_sum", "vllm:request_generation_tokens_count",
    "vllm:request_generation_tokens_sum", "vllm:request_params_n_count", "vllm:request_params_n_sum",
    "vllm:request_params_max_tokens_count", "vllm:request_params_max_tokens_sum",
    "vllm:request_max_num_generation_tokens_count", "vllm:request_max_num_generation_tokens_sum",
]


def get(url, timeout=60):
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return response.read().decode()


def make_requests(base):
    for path, body in REQUESTS:
        data = json.dumps(body).encode()
        request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                response.read()
        except urllib.error.HTTPError as error:
            if error.code not in (400, 404):
                raise
            error.read()
    # vLLM updates its metrics a moment after the last byte.
    time.sleep(2)


class Family:
    def __init__(self):
        self.type = "untyped"
        self.labels = set()
        self.values = collections.defaultdict(set)
        self.bounds = []


def parse(text):
    """Families by name, and the sum of the samples of each series' name."""
    families = collections.defaultdict(Family)
    sums = collections.Counter()
    name = ""
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:4]
            families[name].type = kind
        elif line and not line.startswith("#"):
            sample, labels, value = re.fullmatch(r"([\w:]+)(?:\{(.*)\})? (\S+)", line).groups()
            sums[sample] += float(value)
            family = families[name]
            for label, content in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""):
                if label == "le":
                    if content not in family.bounds:
                        family.bounds.append(content)
                else:
                    family.labels.add(label)
                    if label not in FREE_LABELS:
                        family.values[label].add(content)
    return families, sums


def changes(theirs, ours):
    return " ".join([f"-{one}" for one in sorted(theirs - ours)] + [f"+{one}" for one in sorted(ours - theirs)])


def differences(vllm, pagoda):
    """Lines `name: difference`, of vLLM's names and of those Pagoda has besides."""
    (theirs, their_sums), (ours, our_sums) = vllm, pagoda
    for name in theirs:
        if name not in ours:
            yield name, "absent"
            continue
        a, b = theirs[name], ours[name]
        if a.type != b.type:
            yield name, f"type {a.type}, here {b.type}"
        if a.bounds != b.bounds:
            yield name, f"buckets {' '.join(a.bounds)}, here {' '.join(b.bounds)}"
        if a.labels != b.labels:
            yield name, f"labels: {changes(a.labels, b.labels)}"
        elif name != "vllm:cache_config_info":
            for label in sorted(a.labels):
                if a.values[label] != b.values[label]:
                    yield name, f"values of {label}: {changes(a.values[label], b.values[label])}"
    for name in DECIDED:
        if their_sums[name] != our_sums[name]:
            yield name, f"{their_sums[name]:g}, here {our_sums[name]:g}"
    for name in ours:
        if name not in theirs and not name.startswith(("pagoda_", "vllm_")):
            yield name, "only here"


def compare(base):
    make_requests(base)
    found = list(differences(parse(GOLDEN.read_text()), parse(get(base + "/metrics"))))
    # A line of the table explains every difference of the names in its first cell.
    explained = set()
    for line in EXPLANATIONS.read_text().splitlines():
        if line.startswith("| `"):
            explained.update(re.findall(r"`([\w:*]+)`", line.split("|")[1]))
    patterns = {name: re.compile(name.replace("*", r"\w*") + r"\Z") for name in explained}
    used = set()
    unexplained = 0
    for name, what in found:
        reasons = [pattern for pattern, expression in patterns.items() if expression.match(name)]
        used.update(reasons)
        unexplained += not reasons
        print(f"{name}: {what}" + ("" if reasons else "   <- not explained"))
    for name in sorted(explained - used):
        print(f"{name}: explained, but no difference")
    idle = len(explained - used)
    print(f"{len(found)} differences, {unexplained} not explained; {idle} explanations without a difference")
    return unexplained + idle == 0


def record(program_folder, model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    server = subprocess.Popen(
        [
            f"{program_folder}/vllm", "serve", model, "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32",
            "--max-model-len", "2048", "--served-model-name", "model",
        ],
        env=environment)
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(600):
            time.sleep(1)
            if server.poll() is not None:
                sys.exit("vLLM did not start")
            try:
                get(base + "/health", timeout=5)
                break
            except OSError:
                continue
        else:
            sys.exit("vLLM did not start in ten minutes")
        make_requests(base)
        scrape = get(base + "/metrics")
    finally:
        server.terminate()
        server.wait()
    code = "import torch, vllm, transformers, prometheus_client, sys; import importlib.metadata as m; print(" \
        "'vLLM', vllm.__version__, 'PyTorch', torch.__version__, 'Transformers', transformers.__version__," \
        "'prometheus_client', m.version('prometheus_client'), 'Python', sys.version.split()[0])"
    versions = subprocess.run(
        [f"{program_folder}/python", "-c", code], capture_output=True, text=True, check=True, env=environment)
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text(f"# Recorded with {versions.stdout.strip().splitlines()[-1]}\n" + scrape)


if sys.argv[1:2] == ["--record"] and len(sys.argv) == 4:
    record(*sys.argv[2:])
elif len(sys.argv) == 2 and sys.argv[1].startswith("http"):
    sys.exit(0 if compare(sys.argv[1].rstrip("/")) else 1)
else:
    sys.exit(__doc__)
