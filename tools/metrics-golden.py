#!/usr/bin/env python3
"""Records what vLLM exposes, as golden files for the tests of the metrics.

Needs a Python in which vLLM and prometheus_client are installed; vLLM is only parsed, not run. Without vLLM the recorded
vllm-metrics.txt stands for it. Usage:

    python tools/metrics-golden.py

writes Tests/ObservabilityTests/Fixtures/{vllm-metrics,initial-exposition}.txt. How metrics are written is recorded by
exposition-golden.py.
"""

import ast
import importlib.util
import itertools
import pathlib

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.utils import floatToGoString

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_MODEL_LENGTH = 4096


def vllm_metrics():
    """vLLM's metrics by exposed name: type, label names, help text, bounds of buckets."""
    package = pathlib.Path(importlib.util.find_spec("vllm").submodule_search_locations[0])
    buckets = {}
    exec(compile((package / "v1/metrics/buckets.py").read_text(), "buckets.py", "exec"), buckets)
    sources = ["v1/metrics/loggers.py", "v1/metrics/perf.py"]
    tree = ast.Module([ast.parse((package / source).read_text()) for source in sources], [])
    families = {}
    metrics = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if getattr(node.value.func, "id", "") == "histogram_buckets":
                families[node.targets[0].id] = node.value.args[0].value
    calls = [n for part in tree.body for n in sorted(
        (n for n in ast.walk(part) if isinstance(n, ast.Call)), key=lambda n: n.lineno)]
    for node in calls:
        kind = getattr(node.func, "attr", "")
        if kind not in ("_gauge_cls", "_counter_cls", "_histogram_cls"):
            continue
        options = {keyword.arg: keyword.value for keyword in node.keywords}
        name = options["name"]
        if not isinstance(name, ast.Constant):
            continue
        labels = ["model_name", "engine"] if "labelnames" in ast.unparse(options["labelnames"]) else []
        labels += [part.value for part in ast.walk(options["labelnames"]) if isinstance(part, ast.Constant)]
        kind = kind.split("_")[1]
        suffix = "_total" if kind == "counter" and not name.value.endswith("_total") else ""
        exposed = name.value + suffix
        help_text = ast.literal_eval(options["documentation"])
        bounds = []
        if kind == "histogram":
            family = families[options["buckets"].id]
            bounds = buckets["histogram_buckets"](family, max_model_len=MAX_MODEL_LENGTH)
        metrics[exposed] = (kind, labels, help_text, bounds)
    return metrics


def recorded_metrics(path):
    """The same, from the file that `described` wrote."""
    metrics = {}
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        if fields[0]:
            name, kind, labels, help_text = fields
            metrics[name] = (kind, [label for label in labels.split(",") if label], help_text, [])
        else:
            metrics[name] = metrics[name][:3] + ([float(bound) for bound in fields[1].split()[:-1]],)
    return metrics


def described(metrics):
    """One line per metric: name, type, label names, help text; then the bounds of its buckets."""
    lines = []
    for name, (kind, labels, help_text, bounds) in metrics.items():
        lines.append("\t".join([name, kind, ",".join(sorted(labels)), help_text]))
        if bounds:
            lines.append("\t" + " ".join(floatToGoString(bound) for bound in [*bounds, float("inf")]))
    return "\n".join(lines) + "\n"


LABEL_VALUES = {
    "model_name": ["m"], "engine": ["0"], "finished_reason": ["stop", "length", "abort", "error", "repetition"],
    "sleep_state": ["awake", "weights_offloaded", "discard_all"],
}
REASONS = {
    "num_requests_waiting_by_reason": ["capacity", "deferred"],
    "admission_rejections_total": ["max_num_queued_reqs", "max_num_queued_tokens"],
}
SOURCES = {
    "prompt_tokens_by_source_total": ["local_compute", "local_cache_hit", "external_kv_transfer"],
    "prompt_tokens_cached_by_source_total": ["device", "host", "p2p", "disk", "external_unspecified"],
}


def add_vllm(registry, metrics, names):
    """Registers vLLM's metrics of these names as vLLM does, for a model called m."""
    for name in names.split():
        values = LABEL_VALUES | {"reason": REASONS.get(name), "source": SOURCES.get(name)}
        kind, labels, help_text, bounds = metrics["vllm:" + name]
        options = {"buckets": bounds} if kind == "histogram" else {}
        make = {"gauge": Gauge, "counter": Counter, "histogram": Histogram}[kind]
        metric = make("vllm:" + name, help_text, labels, registry=registry, **options)
        for chosen in itertools.product(*(values[label] for label in labels)):
            child = metric.labels(*chosen)
            if "awake" in chosen:
                child.set(1)


def initial_exposition(metrics):
    """What a server without a request exposes under names that begin with vllm."""
    disable_created_metrics()
    registry = CollectorRegistry()
    # Python's client would add _total to this counter.
    requests = "vllm_request_count"
    text = f"# HELP {requests} processed requests\n# TYPE {requests} counter\n"
    text += "".join(f'{requests}{{status="{status}"}} 0.0\n' for status in ["SUCCESS", "FAILED"])
    bounds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
    Histogram(
        "vllm_request_latency_seconds", "request latency, for P95 and P99", buckets=bounds, registry=registry)
    Gauge("vllm_generation_throughput", "generated tokens per second, now", registry=registry)
    Gauge("vllm_gpu_cache_usage_ratio", "used share of the KV cache on the device, 0 to 1", registry=registry)
    Gauge("vllm_running_requests", "requests being processed", registry=registry)
    Gauge("vllm_waiting_requests", "requests in the queue", registry=registry)
    add_vllm(registry, metrics, "num_requests_running num_requests_waiting num_requests_waiting_by_reason")
    add_vllm(registry, metrics, "engine_sleep_state kv_cache_usage_perc")
    add_vllm(registry, metrics, "prefix_cache_queries_total prefix_cache_hits_total")
    add_vllm(registry, metrics, "external_prefix_cache_queries_total external_prefix_cache_hits_total")
    add_vllm(registry, metrics, "mm_cache_queries_total mm_cache_hits_total num_preemptions_total")
    add_vllm(registry, metrics, "prompt_tokens_total prompt_tokens_by_source_total prompt_tokens_cached_total")
    add_vllm(registry, metrics, "prompt_tokens_cached_by_source_total generation_tokens_total")
    add_vllm(registry, metrics, "request_success_total estimated_flops_per_gpu_total")
    add_vllm(registry, metrics, "estimated_read_bytes_per_gpu_total estimated_write_bytes_per_gpu_total")
    add_vllm(registry, metrics, "request_prompt_tokens request_generation_tokens")
    add_vllm(registry, metrics, "iteration_tokens_total request_max_num_generation_tokens request_params_n")
    add_vllm(registry, metrics, "request_params_max_tokens time_to_first_token_seconds")
    add_vllm(registry, metrics, "inter_token_latency_seconds request_time_per_output_token_seconds")
    add_vllm(registry, metrics, "e2e_request_latency_seconds request_queue_time_seconds")
    add_vllm(registry, metrics, "request_inference_time_seconds request_prefill_time_seconds")
    add_vllm(registry, metrics, "request_decode_time_seconds request_num_preemptions")
    add_vllm(registry, metrics, "request_prefill_kv_computed_tokens")
    cache = {
        "engine": "0", "block_size": "16", "cache_dtype": "float16", "enable_prefix_caching": "False",
        "is_attention_free": "False", "kv_cache_size_tokens": "1600", "num_cpu_blocks": "None", "num_gpu_blocks": "100",
        "num_gpu_blocks_override": "None", "sliding_window": "None",
    }
    info = Gauge(
        "vllm:cache_config_info", "Information of the LLMEngine CacheConfig", list(cache), registry=registry)
    info.labels(**cache).set(1)
    add_vllm(registry, metrics, "admission_rejections_total")
    return text + generate_latest(registry).decode()


def main():
    fixtures = ROOT / "Tests/ObservabilityTests/Fixtures"
    recorded = fixtures / "vllm-metrics.txt"
    metrics = vllm_metrics() if importlib.util.find_spec("vllm") else recorded_metrics(recorded)
    recorded.write_text(described(metrics))
    (fixtures / "initial-exposition.txt").write_text(initial_exposition(metrics))


if __name__ == "__main__":
    main()
