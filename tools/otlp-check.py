#!/usr/bin/env python3
"""Reads what a real server sends to a collector by OpenTelemetry's own protobuf definitions, and checks it.

    $(tools/python-client.sh) tools/otlp-check.py PAGODA MODEL

Starts the server with a collector of a few lines, sends a request of a traced caller, one with two samples and one
whose client leaves, and ends the server. Fails on a field that the definitions do not know, an id of the wrong length,
a span without its parent, times out of order, an attribute twice, or a span that is missing. Prints `ok` and a count.
"""
import http.client
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

CALLER_TRACE, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
bodies, complaints = [], []


def check(condition, sentence):
    if not condition:
        complaints.append(sentence)


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        check(self.path == "/v1/traces", f"posted to {self.path}")
        check(self.headers["Content-Type"] == "application/x-protobuf", f"sent as {self.headers['Content-Type']}")
        bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def unknown_fields(message):
    """Paths of fields that the official definitions do not have."""
    found = [f"{message.DESCRIPTOR.name}.{field.field_number}" for field in UnknownFieldSet(message)]
    for _, value in message.ListFields():
        repeated = value if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) else [value]
        for item in repeated:
            if hasattr(item, "DESCRIPTOR"):
                found += unknown_fields(item)
    return found


def value_of(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes(items, of):
    keys = [item.key for item in items]
    check(len(keys) == len(set(keys)), f"{of}: an attribute is there twice in {keys}")
    return {item.key: value_of(item.value) for item in items}


def ask(port, path, body, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **dict(headers)})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def leave(port, body):
    """Goes away in the middle of a stream."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    check(connection.getresponse().read(20), "no beginning of a stream")
    connection.sock.close()
    # Until the server has noticed.
    time.sleep(1)


def run(program, model):
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "serve", model, "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "512",
         "--otlp-traces-endpoint", f"http://127.0.0.1:{collector.server_port}"],
        stderr=subprocess.DEVNULL)
    try:
        deadline = time.time() + 60
        while True:
            try:
                if ask(port, "/ping", {}) == 200:
                    break
            except OSError:
                pass
            if server.poll() is not None or time.time() > deadline:
                sys.exit("otlp-check: the server did not start")
            time.sleep(0.05)
        traced = {"traceparent": f"00-{CALLER_TRACE}-{CALLER_SPAN}-01", "tracestate": "vendor=1"}
        prompt = {"prompt": "The sky is", "max_tokens": 6, "ignore_eos": True}
        check(ask(port, "/v1/completions", {**prompt, "temperature": 0.5, "top_p": 0.9}, traced) == 200, "no answer")
        check(ask(port, "/v1/completions", {**prompt, "n": 2, "stream": True}) == 200, "no answer to a stream")
        leave(port, {**prompt, "max_tokens": 400, "stream": True})
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        collector.shutdown()


def check_span(span, spans):
    name = span.name
    check(len(span.trace_id) == 16 and any(span.trace_id), f"{name}: a trace id of {len(span.trace_id)} bytes")
    check(len(span.span_id) == 8 and any(span.span_id), f"{name}: a span id of {len(span.span_id)} bytes")
    check(0 < span.start_time_unix_nano <= span.end_time_unix_nano, f"{name}: ends before it begins")
    check(abs(span.end_time_unix_nano / 1e9 - time.time()) < 600, f"{name}: not of today")
    for event in span.events:
        inside = span.start_time_unix_nano <= event.time_unix_nano <= span.end_time_unix_nano
        check(inside, f"{name}: {event.name} lies outside")
    attributes(span.attributes, name)
    if name == "llm_request":
        check(span.kind == Span.SPAN_KIND_SERVER, f"{name}: of kind {span.kind}")
        return
    check(span.kind == Span.SPAN_KIND_INTERNAL, f"{name}: of kind {span.kind}")
    parent = spans.get(span.parent_span_id)
    check(parent is not None and parent.trace_id == span.trace_id, f"{name}: without its parent")
    if parent:
        within = parent.start_time_unix_nano <= span.start_time_unix_nano
        check(within and span.end_time_unix_nano <= parent.end_time_unix_nano, f"{name}: outlasts its parent")


def main():
    run(sys.argv[1], sys.argv[2])
    found = []
    for body in bodies:
        request = ExportTraceServiceRequest.FromString(body)
        check(not unknown_fields(request), f"unknown fields {unknown_fields(request)}")
        check(ExportTraceServiceRequest.FromString(request.SerializeToString()) == request, "not the same once written")
        for resource in request.resource_spans:
            check(attributes(resource.resource.attributes, "resource").get("service.name"), "no service.name")
            for scope in resource.scope_spans:
                check(scope.scope.name, "a scope without a name")
                found += scope.spans
    spans = {span.span_id: span for span in found}
    check(len(spans) == len(found), "a span id is there twice")
    for span in found:
        check_span(span, spans)

    names = sorted(span.name for span in found)
    # Of each request its own and those of its samples, of which the second has two.
    expected = ["decode"] * 4 + ["llm_request"] * 3 + ["prefill"] * 4 + ["queue"] * 4
    check(names == expected, f"the spans are {names}")
    called = [span for span in found if span.trace_id.hex() == CALLER_TRACE]
    request = next((span for span in called if span.name == "llm_request"), None)
    check(len(called) == 4 and request is not None, f"{len(called)} spans in the caller's trace")
    if request is not None:
        check(request.parent_span_id.hex() == CALLER_SPAN, "not a child of the caller's span")
        check(request.trace_state == "vendor=1", f"the trace state is {request.trace_state!r}")
        values = attributes(request.attributes, "llm_request")
        for key, value in [
            ("gen_ai.request.max_tokens", 6), ("gen_ai.usage.completion_tokens", 6), ("gen_ai.request.temperature", 0.5),
            ("gen_ai.request.top_p", 0.9), ("gen_ai.request.n", 1), ("http.response.status_code", 200),
        ]:
            check(values.get(key) == value, f"{key} is {values.get(key)!r}, not {value!r}")
    failed = [span for span in found if span.name == "llm_request" and span.status.code == Status.STATUS_CODE_ERROR]
    check(len(failed) == 1, f"{len(failed)} spans with the status error")
    for sentence in complaints:
        print("wrong:", sentence)
    if complaints:
        sys.exit(1)
    print(f"ok: {len(found)} spans in {len(bodies)} batches, no field unknown to opentelemetry-proto")


main()
