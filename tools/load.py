"""Loads an OpenAI-compatible server with streams of fixed length and prints output tokens a second.

    load.py URL STREAMS [REPEATS=3] [TOKENS=128]

Each stream has a prompt of its own of about 30 tokens; the rate is that of all streams together between the moment when
each has its first token and the first one's end, so prefill does not count. Python's standard library is enough.
"""
import http.client, json, sys, threading, time
from urllib.parse import urlparse

url, streams = urlparse(sys.argv[1]), int(sys.argv[2])
repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 3
tokens = int(sys.argv[4]) if len(sys.argv) > 4 else 128


def stream(index, times):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=600)
    body = {"prompt": f"Report number {index}: the quick brown fox jumps over the lazy dog and then it sees a river, which",
            "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    for line in response:
        if line.startswith(b"data: {"):
            chunk = json.loads(line[6:])
            if chunk.get("choices"):
                times.append(time.monotonic())


def run():
    times = [[] for _ in range(streams)]
    threads = [threading.Thread(target=stream, args=(i, times[i])) for i in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begin, end = max(t[0] for t in times), min(t[-1] for t in times)
    return sum(1 for t in times for moment in t if begin < moment <= end) / (end - begin)


rates = sorted(run() for _ in range(repeats))
print(f"{streams} streams: {rates[len(rates) // 2]:.1f} tokens/s (least {rates[0]:.1f}, most {rates[-1]:.1f})")
