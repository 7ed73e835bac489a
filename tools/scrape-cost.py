#!/usr/bin/env python3
"""What scrapes cost the real server.

    tools/scrape-cost.py cpu MODEL [--scrapes 1000]
    tools/scrape-cost.py throughput MODEL [--runs 40] [--seconds 10] [--streams 8]

cpu: processor time of all the server's threads for one scrape, by the kernel's thread clocks (nanoseconds), on an idle
server whose every histogram has been used: reading the request, the exposition, compression, writing. Median and P99
for each format, beside what a second without a scrape takes.

throughput: decode speed with a scrape a second against none, runs interleaved in random order of each pair. Each run
starts the same streams afresh and is measured over the same part of their answers; the ratio is the mean over pairs
with its 95 % interval (Student's t of the logarithms). The scraper runs on the same machine, and so counts against it.
Nothing else should run meanwhile.
"""
import argparse
import contextlib
import glob
import http.client
import json
import math
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

BINARY = pathlib.Path(__file__).resolve().parent.parent / ".build/release/pagoda"
FORMATS = {
    "text": {"Accept": "text/plain;version=0.0.4"},
    "text, gzip": {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "gzip"},
    "OpenMetrics, gzip": {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"},
    "protobuf, gzip": {
        "Accept": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
        "Accept-Encoding": "gzip"},
}
# Student's t, 97.5 %, for 1 to 30 degrees of freedom.
STUDENT = [
    12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
]


class Server:
    def __init__(self, model):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [BINARY, "serve", model, "--host", "127.0.0.1", "--port", str(self.port), "--max-model-len", "4096"],
            stderr=subprocess.DEVNULL)
        deadline = time.time() + 120
        while True:
            with contextlib.suppress(OSError):
                if self.get(self.connection(), "/health").status == 200:
                    return
            if self.process.poll() is not None or time.time() > deadline:
                sys.exit("scrape-cost: the server did not start")
            time.sleep(0.1)

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def get(self, connection, path, headers={}):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.body = answer.read()
        return answer

    def values(self, connection):
        values = {}
        for line in self.get(connection, "/metrics", FORMATS["text"]).body.decode().splitlines():
            if not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name = series.split("{")[0]
                values[name] = values.get(name, 0) + float(value)
        return values

    def ask(self, body):
        connection = self.connection()
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        return connection

    def processor_nanoseconds(self):
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            # A thread may end in between.
            with contextlib.suppress(OSError):
                total += int(pathlib.Path(path).read_text().split()[0])
        return total

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def processor_time(server, scrapes):
    for number in range(20):
        body = {"prompt": "Once upon a time", "max_tokens": 20 + number, "stream": number % 2 == 0, "n": number % 3 + 1}
        server.ask(body).getresponse().read()
    time.sleep(2)
    samples = server.get(server.connection(), "/metrics", FORMATS["text"]).body.decode().splitlines()
    print(f"{sum(not line.startswith('#') for line in samples)} samples in the text format")
    before = server.processor_nanoseconds()
    time.sleep(5)
    print(f"idle: {(server.processor_nanoseconds() - before) / 5e6:.3f} ms a second")
    worst = 0
    for name, headers in FORMATS.items():
        connection, times = server.connection(), []
        begun = server.values(connection)
        for _ in range(scrapes):
            before = server.processor_nanoseconds()
            answer = server.get(connection, "/metrics", headers)
            # Until the thread that wrote it has gone back to sleep.
            time.sleep(0.002)
            times.append((server.processor_nanoseconds() - before) / 1e6)
        ended = server.values(connection)
        making = [ended[key] - begun[key] for key in ("pagoda_scrape_seconds_total", "pagoda_scrapes_total")]
        times.sort()
        median = statistics.median(times)
        worst = max(worst, median)
        print(f"{name}: median {median:.3f} ms, P99 {times[len(times) * 99 // 100]:.3f} ms of {scrapes} scrapes, "
              f"{len(answer.body)} bytes; {making[0] / making[1] * 1e3:.2f} ms of it to make the answer")
    return worst <= 2


def decode_speed(server, seconds, streams, scrapes):
    """Tokens a second over some seconds of answers that begin now."""
    body = {"prompt": "Once upon a time", "max_tokens": 4000, "ignore_eos": True, "temperature": 0}
    requests = [server.ask(body) for _ in range(streams)]
    control, scraper = server.connection(), server.connection()
    end = threading.Event()

    def scrape():
        while not end.wait(1):
            server.get(scraper, "/metrics", FORMATS["OpenMetrics, gzip"])

    while server.values(control)["vllm_running_requests"] < streams:
        time.sleep(0.02)
    time.sleep(0.5)
    thread = threading.Thread(target=scrape)
    if scrapes:
        thread.start()
    first, begun = server.values(control), time.perf_counter()
    time.sleep(seconds)
    last, ended = server.values(control), time.perf_counter()
    end.set()
    if scrapes:
        thread.join()
    if last["vllm_running_requests"] < streams:
        sys.exit("scrape-cost: the answers ended too early; take fewer --seconds or more --streams")
    for request in requests:
        request.close()
    while server.values(control)["vllm_running_requests"] > 0:
        time.sleep(0.02)
    name = "vllm:generation_tokens_total"
    return (last[name] - first[name]) / (ended - begun)


def throughput(server, runs, seconds, streams):
    decode_speed(server, min(seconds, 3), streams, False)
    logarithms, speeds = [], {True: [], False: []}
    for pair in range(max(2, runs // 2)):
        pair_speeds = {}
        for scrapes in random.sample([True, False], 2):
            pair_speeds[scrapes] = decode_speed(server, seconds, streams, scrapes)
            speeds[scrapes].append(pair_speeds[scrapes])
        logarithms.append(math.log(pair_speeds[True] / pair_speeds[False]))
        print(f"pair {pair + 1}: {pair_speeds[False]:.1f} tokens/s without, {pair_speeds[True]:.1f} with a scrape a "
              f"second", flush=True)
    count = len(logarithms)
    t = STUDENT[count - 2] if count - 1 <= len(STUDENT) else 1.96 + 2.4 / (count - 1)
    mean, half = statistics.mean(logarithms), t * statistics.stdev(logarithms) / math.sqrt(count)
    print(f"{2 * count} runs of {seconds} s, {streams} streams: median {statistics.median(speeds[False]):.1f} tokens/s "
          f"without and {statistics.median(speeds[True]):.1f} with a scrape a second")
    low, high = math.exp(mean - half), math.exp(mean + half)
    print(f"ratio {math.exp(mean):.4f}, 95 % interval {low:.4f} to {high:.4f}")
    return high >= 0.995


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cpu", "throughput"])
    parser.add_argument("model")
    parser.add_argument("--scrapes", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--streams", type=int, default=8)
    options = parser.parse_args()
    server = Server(options.model)
    try:
        good = (processor_time(server, options.scrapes) if options.what == "cpu"
                else throughput(server, options.runs, options.seconds, options.streams))
    finally:
        server.close()
    sys.exit(0 if good else 1)


main()
