#!/usr/bin/env python3
"""What the prefix cache gives: requests with one long prompt in common, with the cache and without.

    tools/prefix-cache.py [MODEL.gguf]

Starts the server twice, sends REQUESTS prompts of COMMON tokens in common and 16 of their own, one after another and then
all at once, and prints the time to the first token, the KV cache's use, and whether the greedy answers are the same.
"""
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

REQUESTS, COMMON, OUTPUT, PORT = 32, 1024, 16, 8124
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def prompt(index, salt):
    common = [(7 * place + salt) % 40000 + 100 for place in range(COMMON)]
    return common + [(31 * index + place) % 40000 + 100 for place in range(16)]


def ask(index, salt, results):
    body = json.dumps({"model": "m", "prompt": prompt(index, salt), "max_tokens": OUTPUT, "temperature": 0,
                       "ignore_eos": True, "stream": True})
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=300)
    started = time.monotonic()
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    first, text = None, ""
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        first = first or time.monotonic() - started
        text += json.loads(line[6:])["choices"][0]["text"]
    connection.close()
    results[index] = (first, text)


def metric(name):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics") as response:
        for line in response.read().decode().splitlines():
            if line.startswith(name):
                return float(line.rsplit(" ", 1)[1])
    raise SystemExit(f"prefix-cache: no metric {name}")


def run(model, options):
    server = subprocess.Popen(
        [f"{ROOT}/.build/release/pagoda", "serve", model, "--port", str(PORT), "--host", "127.0.0.1",
         "--served-model-name", "m", "--kv-cache-memory-bytes", "2G", *options],
        stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health").close()
                break
            except OSError:
                if server.poll() is not None:
                    raise SystemExit("prefix-cache: the server ended")
                time.sleep(0.2)
        turns, together = {}, {}
        for index in range(REQUESTS):
            ask(index, 0, turns)
        usage = []
        threads = [threading.Thread(target=ask, args=(index, 1, together)) for index in range(REQUESTS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            usage.append(metric("vllm:kv_cache_usage_perc"))
            time.sleep(0.05)
        return turns, together, max(usage)
    finally:
        server.terminate()
        server.wait()


def main():
    models = os.path.expanduser("~/.cache/pagoda/models")
    model = sys.argv[1] if len(sys.argv) > 1 else f"{models}/SmolLM2-135M-Instruct-Q4_0.gguf"
    cached = run(model, [])
    plain = run(model, ["--no-enable-prefix-caching"])
    for name, index in [("one after another", 0), ("all at once", 1)]:
        with_cache = [cached[index][i][0] for i in range(1, REQUESTS)]
        without = [plain[index][i][0] for i in range(1, REQUESTS)]
        ratio = statistics.median(without) / statistics.median(with_cache)
        print(f"{name}: median TTFT of the 2nd to {REQUESTS}th {statistics.median(with_cache) * 1000:.0f} ms with the "
              f"cache, {statistics.median(without) * 1000:.0f} ms without, {ratio:.1f} times")
        same = all(cached[index][i][1] == plain[index][i][1] for i in range(REQUESTS))
        print(f"{name}: answers are {'the same' if same else 'NOT the same'}")
    print(f"KV cache in use, all at once, at most: {cached[2]:.4f} with the cache, {plain[2]:.4f} without")


if __name__ == "__main__":
    main()
