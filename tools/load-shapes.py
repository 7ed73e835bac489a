#!/usr/bin/env python3
"""What long prompts do to running streams, and what a server does with ten times as much as it can.

    tools/load-shapes.py interference [MODEL.gguf] [-- SERVER OPTIONS]
    tools/load-shapes.py overload [MODEL.gguf] [-- SERVER OPTIONS]

`interference`: eight streams, alone and while prompts of 4,000 tokens come one after another; then the prompts alone. Tokens are
weighted by what they cost alone: 100 % would be as much work as without the other kind.
`overload`: what the server, with 72 requests allowed in it, does of 128 tokens in and 32 out when it always has enough to do,
then a minute of ten times that.
"""
import asyncio
import http.client
import json
import os
import random
import subprocess
import sys
import time
import urllib.request

PORT = 8126
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
random.seed(5)


def tokens(count):
    return [random.randrange(100, 40000) for _ in range(count)]


def metrics():
    values = {}
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics") as response:
        for line in response.read().decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
    return values


def computed():
    values = metrics()
    return [values[f'pagoda_step_tokens_total{{kind="{kind}"}}'] for kind in ("prefill", "decode")]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


async def post(body, gaps=None, timeout=120):
    """Sends a request; its status and its seconds. With `gaps`: notes (moment, seconds since the token before)."""
    started = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    try:
        data = json.dumps(body).encode()
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(data) + data)
        status = int((await asyncio.wait_for(reader.readline(), timeout)).split()[1])
        last = None
        while line := await asyncio.wait_for(reader.readline(), timeout):
            if gaps is None or not line.startswith(b"data: {"):
                continue
            now = time.monotonic()
            if last:
                gaps.append((now, now - last))
            last = now
        return status, time.monotonic() - started
    finally:
        writer.close()


class Server:
    def __init__(self, model, options):
        self.process = subprocess.Popen(
            [os.environ.get("PAGODA", f"{ROOT}/.build/release/pagoda"), "serve", model, "--port", str(PORT), "--host", "127.0.0.1",
             "--kv-cache-memory-bytes", "1G", "--no-enable-prefix-caching", *options], stderr=subprocess.DEVNULL)

    def __enter__(self):
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health").close()
                return self
            except (OSError, http.client.HTTPException):
                if self.process.poll() is not None:
                    raise SystemExit("load-shapes: the server ended")
                time.sleep(0.2)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon"))


async def repeat(make, *arguments):
    while True:
        await post(make(), *arguments)


async def phase(name, seconds, gaps):
    before, started = computed(), time.monotonic()
    await asyncio.sleep(seconds)
    after, ended = computed(), time.monotonic()
    rates = [(b - a) / (ended - started) for a, b in zip(before, after)]
    mine = [gap for moment, gap in gaps if started < moment < ended]
    line = f"{name}: prefill {rates[0]:.0f} tokens/s, decode {rates[1]:.0f} tokens/s"
    if mine:
        line += f"; between tokens median {percentile(mine, 0.5) * 1000:.1f} ms, P99 {percentile(mine, 0.99) * 1000:.1f} ms"
    print(line, flush=True)
    return rates, mine


async def interference():
    gaps = []
    stream = lambda: {"prompt": tokens(32), "max_tokens": 1500, "ignore_eos": True, "stream": True}
    prompt = lambda: {"prompt": tokens(4000), "max_tokens": 1}
    await post({"prompt": tokens(512), "max_tokens": 8})
    streams = [asyncio.create_task(repeat(stream, gaps)) for _ in range(8)]
    await asyncio.sleep(3)
    alone, before = await phase("8 streams alone", 15, gaps)
    prompts = asyncio.create_task(repeat(prompt))
    await asyncio.sleep(2)
    both, during = await phase("8 streams and prompts of 4000 tokens", 40, gaps)
    for task in streams:
        task.cancel()
    await asyncio.sleep(3)
    only, _ = await phase("prompts of 4000 tokens alone", 15, gaps)
    prompts.cancel()
    print(f"P99 between tokens: {percentile(during, 0.99) / percentile(before, 0.99):.2f} times; computed, weighted by cost: "
          f"{100 * (both[0] / only[0] + both[1] / alone[1]):.0f} % (prefill {100 * both[0] / only[0]:.0f} %, "
          f"decode {100 * both[1] / alone[1]:.0f} %)")


async def overload(server):
    body = lambda: {"prompt": tokens(128), "max_tokens": 32, "ignore_eos": True}
    closed = [asyncio.create_task(repeat(body)) for _ in range(64)]
    await asyncio.sleep(5)
    done = 'vllm_request_count{status="SUCCESS"}'
    before, started = metrics()[done], time.monotonic()
    await asyncio.sleep(20)
    peak = (metrics()[done] - before) / (time.monotonic() - started)
    for task in closed:
        task.cancel()
    await asyncio.sleep(1)
    print(f"always enough to do: {peak:.1f} requests/s, {server.resident():.0f} MiB", flush=True)
    results, tasks, memory, waiting = [], [], [], []

    async def one():
        try:
            results.append(await post(body()))
        except (OSError, asyncio.TimeoutError, ValueError, IndexError) as error:
            results.append((repr(error), 0))

    before, started, second = metrics()[done], time.monotonic(), 0
    while (now := time.monotonic()) < started + 60:
        while len(tasks) < (now - started) * peak * 10:
            tasks.append(asyncio.create_task(one()))
        if now - started > second:
            second += 1
            values = await asyncio.to_thread(metrics)
            waiting.append(values["vllm_waiting_requests"])
            memory.append(server.resident())
        await asyncio.sleep(0.002)
    goodput = (metrics()[done] - before) / (time.monotonic() - started)
    await asyncio.gather(*tasks)
    refused = [seconds for status, seconds in results if status == 503]
    kinds = {status: sum(1 for other, _ in results if other == status) for status, _ in results}
    print(f"ten times that for 60 s: {goodput:.1f} requests/s, {100 * goodput / peak:.0f} % of it; answers {kinds}")
    print(f"refusals: median {percentile(refused, 0.5) * 1000:.1f} ms, P99 {percentile(refused, 0.99) * 1000:.1f} ms; "
          f"waiting at most {max(waiting):.0f}; memory {memory[0]:.0f} to {memory[-1]:.0f} MiB, at most {max(memory):.0f}")


def main():
    arguments = sys.argv[1:]
    options = arguments[arguments.index("--") + 1:] if "--" in arguments else []
    arguments = arguments[:arguments.index("--")] if "--" in arguments else arguments
    if not arguments or arguments[0] not in ("interference", "overload"):
        raise SystemExit(__doc__)
    models = os.path.expanduser("~/.cache/pagoda/models")
    model = arguments[1] if len(arguments) > 1 else f"{models}/SmolLM2-135M-Instruct-Q4_0.gguf"
    if arguments[0] == "overload":
        options = ["--max-num-queued-reqs", "72", *options]
    with Server(model, options) as server:
        asyncio.run(interference() if arguments[0] == "interference" else overload(server))


if __name__ == "__main__":
    main()
