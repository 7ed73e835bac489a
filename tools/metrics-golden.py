#!/usr/bin/env python3
"""Records what vLLM and Prometheus' Python client expose, as golden files for the tests of the metrics.

Needs a Python in which vLLM and prometheus_client are installed; vLLM is only parsed, not run. Usage:

    python tools/metrics-golden.py

writes Tests/TelemetryTests/Fixtures/{numbers,exposition,openmetrics}.txt and
Tests/ObservabilityTests/Fixtures/{vllm-metrics,initial-exposition}.txt.
"""

import ast
import importlib.util
import itertools
import pathlib
import random
import struct

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import ALLOWUTF8
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.utils import floatToGoString

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_MODEL_LENGTH = 4096


def numbers():
    """Bit patterns of doubles and their text."""
    chosen = [0.0, -0.0, 1.0, -1.0, 0.1, 0.005, 1e-4, 9.9e-5, 1e-5, 1.5e-7, 999999.0, 1e6, 1000001.5, -1234567.0]
    chosen += [123456789.0, 1e15, 9.5e15, 9007199254740993.0, 1e16, -1e16, 1.7e300, 5e-324, 2560.0, 7680.0, 1e22]
    chosen += [float("inf"), float("-inf"), float("nan"), 1e99, 1e100, 1e-100]
    generator = random.Random(1)
    chosen += [generator.uniform(-1, 1) * 10 ** generator.randint(-8, 20) for _ in range(300)]
    chosen += [float(generator.randrange(10**k)) for k in range(1, 19) for _ in range(5)]
    return "".join(f"{struct.unpack('>Q', struct.pack('>d', v))[0]:016x} {floatToGoString(v)}\n" for v in chosen)


def small_registry():
    """The metrics that Tests/TelemetryTests builds as well."""
    disable_created_metrics()
    registry = CollectorRegistry()
    requests = Counter("requests_total", 'Requests, "quoted" \\ and\nbroken.', ["method", "code"], registry=registry)
    requests.labels("get", "200").inc(3)
    requests.labels('p"o\\s\nt', "ü").inc()
    Gauge("zone:temperature", "Degrees.", registry=registry).set(-1234567.5)
    histogram = Histogram(
        "wait_seconds", "Waiting.", ["model_name", "engine"], buckets=[0.001, 0.5, 1, 10000000], registry=registry)
    for value in [0.0005, 0.001, 0.0010001, 0.75, 1, 5e6, 2e7]:
        histogram.labels("m", "0").observe(value)
    Histogram("tokens_total", "Ends as a counter.", buckets=[1, 8], registry=registry).observe(3)
    return registry


def vllm_metrics():
    """vLLM's metrics by exposed name: type, label names, help text, bounds of buckets."""
    package = pathlib.Path(importlib.util.find_spec("vllm").submodule_search_locations[0])
    buckets = {}
    exec(compile((package / "v1/metrics/buckets.py").read_text(), "buckets.py", "exec"), buckets)
    tree = ast.parse((package / "v1/metrics/loggers.py").read_text())
    families = {}
    metrics = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if getattr(node.value.func, "id", "") == "histogram_buckets":
                families[node.targets[0].id] = node.value.args[0].value
    for node in sorted((n for n in ast.walk(tree) if isinstance(n, ast.Call)), key=lambda n: n.lineno):
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
        exposed = name.value + ("_total" if kind == "counter" else "")
        help_text = ast.literal_eval(options["documentation"])
        bounds = []
        if kind == "histogram":
            family = families[options["buckets"].id]
            bounds = buckets["histogram_buckets"](family, max_model_len=MAX_MODEL_LENGTH)
        metrics[exposed] = (kind, labels, help_text, bounds)
    return metrics


def described(metrics):
    """One line per metric: name, type, label names, help text; then the bounds of its buckets."""
    lines = []
    for name, (kind, labels, help_text, bounds) in metrics.items():
        lines.append("\t".join([name, kind, ",".join(sorted(labels)), help_text]))
        if bounds:
            lines.append("\t" + " ".join(floatToGoString(bound) for bound in [*bounds, float("inf")]))
    return "\n".join(lines) + "\n"


def add_vllm(registry, metrics, names):
    """Registers vLLM's metrics of these names as vLLM does, for a model called m."""
    reasons = ["stop", "length", "abort", "error", "repetition"]
    values = {"model_name": ["m"], "engine": ["0"], "finished_reason": reasons}
    for name in names.split():
        kind, labels, help_text, bounds = metrics["vllm:" + name]
        options = {"buckets": bounds} if kind == "histogram" else {}
        make = {"gauge": Gauge, "counter": Counter, "histogram": Histogram}[kind]
        metric = make("vllm:" + name, help_text, labels, registry=registry, **options)
        for chosen in itertools.product(*(values[label] for label in labels)):
            metric.labels(*chosen)


def initial_exposition(metrics):
    """What a server without a request exposes, but for the process's own metrics."""
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
    add_vllm(registry, metrics, "num_requests_running num_requests_waiting kv_cache_usage_perc")
    add_vllm(registry, metrics, "num_preemptions_total prompt_tokens_total generation_tokens_total")
    add_vllm(registry, metrics, "request_success_total request_prompt_tokens request_generation_tokens")
    add_vllm(registry, metrics, "iteration_tokens_total request_max_num_generation_tokens request_params_n")
    add_vllm(registry, metrics, "request_params_max_tokens request_num_preemptions time_to_first_token_seconds")
    add_vllm(registry, metrics, "inter_token_latency_seconds request_time_per_output_token_seconds")
    add_vllm(registry, metrics, "e2e_request_latency_seconds request_queue_time_seconds")
    add_vllm(registry, metrics, "request_inference_time_seconds request_prefill_time_seconds")
    add_vllm(registry, metrics, "request_decode_time_seconds")
    cache = {
        "engine": "0", "block_size": "16", "cache_dtype": "float16", "enable_prefix_caching": "False",
        "kv_cache_size_tokens": "1600", "num_cpu_blocks": "None", "num_gpu_blocks": "100",
        "num_gpu_blocks_override": "None", "sliding_window": "None",
    }
    info = Gauge(
        "vllm:cache_config_info", "Information of the LLMEngine CacheConfig", list(cache), registry=registry)
    info.labels(**cache).set(1)
    received = "Sequences taken in by the engine; the sum of finished, running and waiting ones."
    Counter("pagoda_requests_received_total", received, registry=registry)
    chunk = "Most prompt tokens that one sequence had in one step so far."
    Gauge("pagoda_prefill_chunk_tokens_max", chunk, registry=registry)
    blocks = Gauge("pagoda_kv_blocks", "Blocks of the KV cache by state.", ["state"], registry=registry)
    blocks.labels("used").set(0)
    blocks.labels("free").set(100)
    utilisation = "Tokens held in used KV blocks divided by their token slots, 0 to 1; 1 if no block is used."
    Gauge("pagoda_kv_utilisation_ratio", utilisation, registry=registry).set(1)
    build = "Version of the program and the instruction set that its kernels use."
    Gauge("pagoda_build_info", build, ["version", "isa"], registry=registry).labels("1.2.3", "avx2").set(1)
    return text + generate_latest(registry).decode()


def main():
    telemetry = ROOT / "Tests/TelemetryTests/Fixtures"
    observability = ROOT / "Tests/ObservabilityTests/Fixtures"
    (telemetry / "numbers.txt").write_text(numbers())
    (telemetry / "exposition.txt").write_bytes(generate_latest(small_registry()))
    (telemetry / "openmetrics.txt").write_bytes(generate_openmetrics(small_registry(), escaping=ALLOWUTF8))
    metrics = vllm_metrics()
    (observability / "vllm-metrics.txt").write_text(described(metrics))
    (observability / "initial-exposition.txt").write_text(initial_exposition(metrics))


if __name__ == "__main__":
    main()
