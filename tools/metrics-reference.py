#!/usr/bin/env python3
"""Writes docs/metrics.md from a running server's own exposition.

    python3 tools/metrics-reference.py http://localhost:8000

The server is started with its default options; what is said around the tables is here.
"""

import pathlib
import re
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent

PREAMBLE = """\
# Metrics

What `GET /metrics` shows, from the first second on, with no configuration. Made by `tools/metrics-reference.py` from a live
scrape; a test holds this page against another one. Every series exists from the start, at 0 where nothing has happened.
No label has a value that a client can choose.

Text format 0.0.4, OpenMetrics 1.0 (with exemplars) and protobuf (with native histograms) are negotiated by `Accept`, and a
real Prometheus stores the same names from all of them. `vllm_request_count`, a counter without `_total`, is of type
`unknown` to OpenMetrics.

## What is counted when

- **A request** (`vllm_request_count`) is one POST of a client to a generation endpoint, counted once, when the last byte of
  its answer is with the operating system. `SUCCESS`: finished by stop, length or tool calls. `FAILED`: everything else that
  got past parsing and names the served model: client gone, timeout, 429, 503, 5xx. A 4xx of the client's own making counts
  in neither. `vllm_request_latency_seconds` has the successful ones, from the head of the request read to that last byte.
- **A sequence** is one sample of one prompt: a request with two prompts and `n` = 3 is six. `vllm:` metrics, the queue's and
  the running ones' gauges, and `pagoda_requests_…` count sequences, as vLLM does. A request whose client goes before its
  prompt is in the queue is `FAILED`, and no sequence.
- In every scrape `pagoda_requests_received_total` = Σ `pagoda_requests_finished_total` + Σ
  `pagoda_requests_rejected_total` + `vllm:num_requests_running` + `vllm:num_requests_waiting`.
- vLLM's moments: a prompt's tokens count in the step of its first output token; times of requests are observed at their end,
  and only of those that came to their natural one; the rest of the differences are in [metrics-vllm.md](metrics-vllm.md).

## To whom the time of a request belongs

`pagoda_request_seconds_total{part}` splits the time of every ended sequence, to the nanosecond, so that its parts sum to
`pagoda_request_whole_seconds_total`; `pagoda_ttft_seconds_total{part}` splits the time to first token, and sums to
`vllm:time_to_first_token_seconds_sum`.

| part | from – to |
|---|---|
| `admission` | the head of the request read – handed to the engine: body, parsing, template, tokenising |
| `queue_slots` | in the queue because `--max-num-seqs` sequences run |
| `queue_blocks` | in the queue because too few blocks of the KV cache are free for all of its tokens |
| `queue_token_budget` | in the queue because the step's `--max-num-batched-tokens` are taken, a step was under way when it came, or arrivals are gathered (`--scheduler-delay`) |
| `queue_tenant` | in the queue because it is another tenant's turn |
| `own_prefill` | steps that compute its prompt, less the share of others' prompts in them |
| `others_prefill` | the share of others' prompts in its steps (by tokens while its own prompt is computed; while it decodes, what the step took beyond a step without prompts), and steps in which they left it no room |
| `preemption` | from losing its blocks until all that it had is computed again |
| `decode` | steps that give it its tokens after the first, less the share of others' prompts |
| `client` | from its end in the engine until its client's connection has the last byte |

Of several sequences that wait, the first one's cause is everybody's, since nobody overtakes. Samples of one prompt share its
time up to their first token.

## By tenant

Tenants of the key file, of the tenant file and of `--metrics-tenants` have series of their own; requests without a tenant count as
`default`, all others as `other`. `pagoda_tenant_computed_tokens_total` and `pagoda_tenant_sequences` show who has the machine,
`pagoda_tenant_time_to_first_token_seconds` (its sum over its count is the mean) who waits for it. `pagoda_tenant_setting` has
`weight` and `priority` of everybody, `max_sequences` and `kv_share` of those whose ceilings they are.

## Work

`pagoda_multiply_adds_total` and `pagoda_memory_read_bytes_total` are computed from the sizes of the batches, not measured:
rows × the matrices' elements, attention's rows × tokens attended to; each weight once a step, each token of each context
once. Their rates beside `pagoda_machine_multiply_adds_per_second` and `pagoda_machine_read_bytes_per_second`, which are
measured at start (`--no-measure-machine` leaves them 0), say whether arithmetic or memory is the limit.

## Options

`--metrics-labels model,endpoint` adds these labels to `vllm_request_count` and `vllm_request_latency_seconds`; the model is
the first served name, the endpoint one of the two paths.

## Libraries' own

What libraries in the process report through swift-metrics shows under `swift_`, in base units: a counter `a.b` as
`swift_a_b_total`, a gauge under its name, a timer as the summary `swift_…_seconds`. At most 200 such series are kept, with
up to 8 labels and 128 bytes a name or value; `pagoda_series_dropped_total` counts the rest. The libraries of this version
report nothing by themselves.
"""

LEFT_OUT = """\
## vLLM's metrics that are left out

| names | why |
|---|---|
| `vllm:lora_requests_info` | no LoRA adapters |
| `vllm:spec_decode_…`, `vllm:diffusion_…` | no speculative decoding, no diffusion models |
| `vllm:num_requests_kv_fetch_by_stage`, `vllm:nixl_…`, `vllm:kv_offload_…` and other connectors' | no KV connectors; `vllm:external_prefix_cache_…` stay 0 |
| `vllm:kv_block_lifetime_seconds`, `vllm:kv_block_idle_before_evict_seconds`, `vllm:kv_block_reuse_gap_seconds` | vLLM has them with `--kv-cache-metrics` alone; no block outlives its sequence without a prefix cache |
| `vllm:corrupted_requests_total` | vLLM has it with a debugging variable alone; a sequence whose logits are no numbers ends here with the reason `error` |
| `vllm:watermark_requests_total` | no watermarks |
| `vllm:tool_call_parser_invocations_total` | vLLM has it with a tool parser configured |
| `vllm:websocket_…`, `vllm:sleep_mode_…`, `vllm:rl_weight_update_…` | no such endpoints; `vllm:engine_sleep_state` says `awake` |
| `python_…` | there is no Python |
| `…_created` | `process_start_time_seconds` says when all of them began |
"""

GROUPS = [
    ("The promised six", lambda name: name.startswith("vllm_")),
    ("vLLM's", lambda name: name.startswith("vllm:")),
    ("Ours", lambda name: name.startswith("pagoda_")),
    ("HTTP, as vLLM has them", lambda name: name.startswith("http_")),
    ("The process", lambda name: name.startswith("process_")),
    ("Others", lambda name: True),
]
# Values of these differ from server to server, or are many.
OPEN_LABELS = {"model_name", "engine", "handler", "method", "version", "instruction_set", "compiler", "tenant"}


def families(text):
    """(name, type, labels with their values, help text) in the order of the exposition."""
    result = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, help_text = (line[len("# HELP "):].split(" ", 1) + [""])[:2]
            result.append([name, "", {}, help_text.strip()])
        elif line.startswith("# TYPE "):
            result[-1][1] = line.split(" ")[3]
        elif line and not line.startswith("#"):
            for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', line):
                if label != "le":
                    result[-1][2].setdefault(label, []).append(value)
    return result


def labels_text(name, labels):
    parts = []
    for label, values in sorted(labels.items()):
        unique = list(dict.fromkeys(values))
        if label in OPEN_LABELS or name == "vllm:cache_config_info":
            parts.append(f"`{label}`")
        else:
            parts.append(f"`{label}` = " + ", ".join(f"`{value}`" for value in unique))
    return "; ".join(parts)


def tables(text):
    rest = families(text)
    sections = []
    for title, belongs in GROUPS:
        chosen = [family for family in rest if belongs(family[0])]
        rest = [family for family in rest if not belongs(family[0])]
        if not chosen:
            continue
        lines = [f"## {title}", "", "| name | type | labels | meaning |", "|---|---|---|---|"]
        for name, kind, labels, help_text in chosen:
            help_text = help_text.replace("|", "\\|")
            lines.append(f"| `{name}` | {kind} | {labels_text(name, labels)} | {help_text} |")
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)


def main():
    with urllib.request.urlopen(sys.argv[1].rstrip("/") + "/metrics") as response:
        text = response.read().decode()
    (ROOT / "docs/metrics.md").write_text("\n".join([PREAMBLE, tables(text), LEFT_OUT]))


if __name__ == "__main__":
    main()
