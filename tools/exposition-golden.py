#!/usr/bin/env python3
"""Records how Prometheus' Python client and Google's protobuf write metrics, as golden files for Telemetry's tests.

Needs `pip install prometheus_client protobuf`. Usage:

    python tools/exposition-golden.py

writes Tests/TelemetryTests/Fixtures/{numbers.txt,exposition.txt,openmetrics.txt,exposition.protobuf}.
"""

import bisect
import math
import pathlib
import random
import struct
import time

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import ALLOWUTF8
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.utils import floatToGoString

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "Tests/TelemetryTests/Fixtures"
TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER_TRACE = "00000000000000000000000000000007"

# Observations of the histograms; a trace in some.
WAITS = [(0.0005, None), (0.001, TRACE), (0.0010001, None), (0.75, TRACE), (1, OTHER_TRACE), (5e6, None), (2e7, None)]
TOKENS = [(0, None), (1, None), (2, None), (3, None), (3, None), (3.0000001, None), (7, None), (1e9, None)]


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
    """The metrics that Tests/TelemetryTests builds as well; the clock of exemplars stands."""
    disable_created_metrics()
    time.time = lambda: 1718000000.123
    registry = CollectorRegistry()
    requests = Counter("requests_total", 'Requests, "quoted" \\ and\nbroken.', ["method", "code"], registry=registry)
    requests.labels("get", "200").inc(3, {"trace_id": TRACE})
    requests.labels('p"o\\s\nt', "ü").inc()
    Gauge("zone:temperature", "Degrees.", registry=registry).set(-1234567.5)
    histogram = Histogram(
        "wait_seconds", "Waiting.", ["model_name", "engine"], buckets=[0.001, 0.5, 1, 10000000], registry=registry)
    observe(histogram.labels("m", "0"), WAITS)
    observe(Histogram("tokens_total", "Ends as a counter.", buckets=[1, 8], registry=registry), TOKENS)
    balance = Histogram("balance", "May be negative.", buckets=[-1, 1], registry=registry)
    observe(balance, [(-2, None), (0.5, None)])
    Histogram("unused", "Not observed.", buckets=[2], registry=registry)
    size = Summary("size_bytes", "Sizes.", ["handler"], registry=registry)
    for value in [100, 23.5]:
        size.labels("/v1").observe(value)
    size.labels("/").observe(0)
    return registry


def observe(histogram, values):
    for value, trace in values:
        histogram.observe(value, {"trace_id": trace} if trace else None)


# io.prometheus.client of prometheus/client_model, as much of it as is used: for each message its fields, each with
# its number, type (a message's name, or a scalar) and whether it is repeated.
MESSAGES = {
    "LabelPair": {"name": (1, "string"), "value": (2, "string")},
    "Timestamp": {"seconds": (1, "int64"), "nanos": (2, "int32")},
    "Exemplar": {"label": (1, "LabelPair", "repeated"), "value": (2, "double"), "timestamp": (3, "Timestamp")},
    "Gauge": {"value": (1, "double")},
    "Counter": {"value": (1, "double"), "exemplar": (2, "Exemplar")},
    "Summary": {"sample_count": (1, "uint64"), "sample_sum": (2, "double")},
    "Bucket": {"cumulative_count": (1, "uint64"), "upper_bound": (2, "double"), "exemplar": (3, "Exemplar")},
    "BucketSpan": {"offset": (1, "sint32"), "length": (2, "uint32")},
    "Histogram": {
        "sample_count": (1, "uint64"), "sample_sum": (2, "double"), "bucket": (3, "Bucket", "repeated"),
        "schema": (5, "sint32"), "zero_threshold": (6, "double"), "zero_count": (7, "uint64"),
        "positive_span": (12, "BucketSpan", "repeated"), "positive_delta": (13, "sint64", "repeated"),
    },
    "Metric": {
        "label": (1, "LabelPair", "repeated"), "gauge": (2, "Gauge"), "counter": (3, "Counter"),
        "summary": (4, "Summary"), "histogram": (7, "Histogram"),
    },
    "MetricFamily": {
        "name": (1, "string"), "help": (2, "string"), "type": (3, "int32"), "metric": (4, "Metric", "repeated"),
    },
}
TYPES = {"counter": 0, "gauge": 1, "summary": 2, "histogram": 4}


def message_classes():
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package="golden", syntax="proto2")
    for message_name, fields in MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, (number, kind, *rest) in fields.items():
            field = message.field.add(name=name, number=number)
            field.label = field.LABEL_REPEATED if rest else field.LABEL_OPTIONAL
            if kind in MESSAGES:
                field.type = field.TYPE_MESSAGE
                field.type_name = f".golden.{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"golden.{name}")) for name in MESSAGES}


def add_native(histogram, bounds, values):
    """The native form of schema 3, in a window of 24 octaves that ends an octave above the highest bound."""
    top = math.ceil(math.log2(bounds[-1])) + 1
    histogram.schema = 3
    histogram.zero_threshold = 2.0 ** (top - 24)
    histogram.zero_count = sum(value <= histogram.zero_threshold for value in values)
    uppers = [2.0 ** (index / 8) for index in range((top - 24) * 8 + 1, top * 8 + 1)]
    counts = {}
    for value in values:
        if value > histogram.zero_threshold:
            index = min(bisect.bisect_left(uppers, value), len(uppers) - 1) + (top - 24) * 8 + 1
            counts[index] = counts.get(index, 0) + 1
    end, last = 0, 0
    for index in sorted(counts):
        if index == end and histogram.positive_span:
            histogram.positive_span[-1].length += 1
        else:
            histogram.positive_span.add(offset=index - end, length=1)
        histogram.positive_delta.append(counts[index] - last)
        end, last = index + 1, counts[index]


def add_exemplar(target, exemplar):
    if not exemplar:
        return
    for name, value in exemplar.labels.items():
        target.exemplar.label.add(name=name, value=value)
    target.exemplar.value = exemplar.value
    target.exemplar.timestamp.seconds = int(exemplar.timestamp)
    target.exemplar.timestamp.nanos = round(exemplar.timestamp % 1 * 1000) * 1_000_000


def series_of(family):
    """A family's samples by label set without le, in order."""
    groups = {}
    for sample in family.samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        groups.setdefault(labels, []).append(sample)
    return groups


def protobuf(registry):
    """All families, each after its length."""
    classes = message_classes()
    observed = {"wait_seconds": WAITS, "tokens_total": TOKENS, "unused": []}
    out = b""
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        message = classes["MetricFamily"](name=name, help=family.documentation, type=TYPES[family.type])
        for labels, samples in series_of(family).items():
            metric = message.metric.add()
            for label, value in labels:
                metric.label.add(name=label, value=value)
            values = {sample.name: sample.value for sample in samples}
            if family.type == "gauge":
                metric.gauge.value = samples[0].value
            elif family.type == "counter":
                metric.counter.value = samples[0].value
                add_exemplar(metric.counter, samples[0].exemplar)
            elif family.type == "summary":
                metric.summary.sample_count = int(values[family.name + "_count"])
                metric.summary.sample_sum = values[family.name + "_sum"]
            else:
                histogram = metric.histogram
                buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
                histogram.sample_count = int(buckets[-1].value)
                histogram.sample_sum = values.get(family.name + "_sum", -1.5)  # Python leaves out balance's.
                for sample in buckets:
                    bucket = histogram.bucket.add(cumulative_count=int(sample.value))
                    bucket.upper_bound = float(sample.labels["le"])
                    add_exemplar(bucket, sample.exemplar)
                if family.name in observed:
                    bounds = [float(sample.labels["le"]) for sample in buckets[:-1]]
                    add_native(histogram, bounds, [value for value, _ in observed[family.name]])
        encoded = message.SerializeToString(deterministic=True)
        length = len(encoded)
        while length >= 0x80:
            out += bytes([length & 0x7F | 0x80])
            length >>= 7
        out += bytes([length]) + encoded
    return out


def main():
    (FIXTURES / "numbers.txt").write_text(numbers())
    (FIXTURES / "exposition.txt").write_bytes(generate_latest(small_registry()))
    (FIXTURES / "openmetrics.txt").write_bytes(generate_openmetrics(small_registry(), escaping=ALLOWUTF8))
    (FIXTURES / "exposition.protobuf").write_bytes(protobuf(small_registry()))


if __name__ == "__main__":
    main()
