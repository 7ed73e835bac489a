#!/usr/bin/env python3
"""What long prompts do to running streams, a batch job to a chat, and a server with ten times as much as it can.

    tools/load-shapes.py interference [MODEL.gguf] [-- SERVER OPTIONS]
    tools/load-shapes.py overload [MODEL.gguf] [-- SERVER OPTIONS]
    tools/load-shapes.py tenants [MODEL.gguf] [OPTIONS] [-- SERVER OPTIONS]

`interference`: eight streams alone, with prompts of 4,000 tokens that come one after another, alone again (contexts grow: the mean
of before and after counts), then the prompts alone; `ROUNDS` times (5). Tokens are weighted by what they cost alone: 100 % would be
as much work as without the other kind.
`overload`: what the server, with 72 requests allowed in it, does of 128 tokens in and 32 out when it always has enough to do,
then a minute of ten times that. The sender shares the machine, and is told from it by its CPU time.
`tenants`: a batch job of --batch requests (500; --batch-in 256 tokens in, --batch-out 200 out), all at once, and a chat that
sends one of 128 in and 32 out each second, --online of them (300). In parts (--parts, of solo,idle,both,bare):
  solo  --solo requests of the batch job alone (150): the rate that both together are held against
  idle  --idle requests of the chat alone (100), one each second: its time to first token on an idle server
  both  the two together, with a tenant file that gives the batch job a low priority and --ceiling places (6)
  bare  the two together without the tenant file; `pagoda doctor` looks at both, too
`--results FILE` keeps the numbers of parts that are run one by one. Work is weighted by cost: a prompt's token by what prompts
cost alone, an answer's by what is left of the batch job's own time.
"""
import argparse
import asyncio
import hashlib
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request

PORT = 8126
ROUNDS = int(os.environ.get("ROUNDS", "5"))
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGODA = os.environ.get("PAGODA", f"{ROOT}/.build/release/pagoda")
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


def request_of(body, headers=b""):
    data = json.dumps(body).encode()
    return (b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s"
            b"Content-Length: %d\r\n\r\n" % (headers, len(data)) + data)


async def post(body, gaps=None, timeout=120, key=None, firsts=None):
    """Sends a request; its status and its seconds. With `gaps`: notes (moment, seconds since the token before), with
    `firsts` the seconds to the first token of a stream."""
    started = time.monotonic()
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        try:
            access = b"Authorization: Bearer %s\r\n" % key.encode() if key else b""
            writer.write(request_of(body, b"Connection: close\r\n" + access))
            status = int((await reader.readline()).split()[1])
            last = None
            while line := await reader.readline():
                if not line.startswith(b"data: {"):
                    continue
                now = time.monotonic()
                if last is None and firsts is not None:
                    firsts.append(now - started)
                if last and gaps is not None:
                    gaps.append((now, now - last))
                last = now
            return status, time.monotonic() - started
        finally:
            writer.close()


class Sender:
    """Sends requests that are made beforehand, over connections that are kept, so that it takes little of the machine."""

    def __init__(self):
        self.idle = []

    async def send(self, request):
        """Its status and its seconds."""
        started = time.monotonic()
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", PORT)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        if b"connection: close" in head:
            writer.close()
        else:
            self.idle.append((reader, writer))
        return int(head.split()[1]), time.monotonic() - started


class Server:
    def __init__(self, model, options):
        self.process = subprocess.Popen(
            [PAGODA, "serve", model, "--port", str(PORT), "--host", "127.0.0.1",
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


async def stop(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.5)


class Phases:
    """Rates of prefill and decode, and gaps between tokens, of phases by name."""

    def __init__(self):
        self.gaps, self.rates, self.moments = [], {}, {}

    async def run(self, name, during):
        before, started = computed(), time.monotonic()
        await during
        after, ended = computed(), time.monotonic()
        self.rates.setdefault(name, []).append([(b - a) / (ended - started) for a, b in zip(before, after)])
        self.moments.setdefault(name, []).extend(gap for moment, gap in self.gaps if started < moment < ended)

    def mean(self, name):
        rates = self.rates[name]
        return [sum(rate[kind] for rate in rates) / len(rates) for kind in (0, 1)]


async def interference():
    shares, ratios = [], []
    stream = lambda: {"prompt": tokens(32), "max_tokens": 1900, "ignore_eos": True, "stream": True}

    async def prompts(count):
        # Whole ones: the later tokens of each take longer than the first.
        for _ in range(count):
            await post({"prompt": tokens(4000), "max_tokens": 1})

    await prompts(1)
    for number in range(ROUNDS):
        phases = Phases()
        streams = [asyncio.create_task(repeat(stream, phases.gaps)) for _ in range(8)]
        await asyncio.sleep(2)
        await phases.run("alone", asyncio.sleep(4))
        await phases.run("both", prompts(2))
        await phases.run("alone", asyncio.sleep(4))
        await stop(streams)
        await phases.run("only", prompts(2))
        alone, both, only = phases.mean("alone"), phases.mean("both"), phases.mean("only")
        waits = {name: percentile(gaps, 0.99) * 1000 for name, gaps in phases.moments.items() if gaps}
        ratios.append(waits["both"] / waits["alone"])
        shares.append(both[0] / only[0] + both[1] / alone[1])
        print(f"round {number + 1}: 8 streams alone {alone[1]:.0f} tokens/s, P99 between tokens {waits['alone']:.1f} ms; with prompts "
              f"{both[1]:.0f} and {both[0]:.0f} of the prompts, P99 {waits['both']:.1f} ms; prompts alone {only[0]:.0f}: "
              f"{ratios[-1]:.2f} times, {100 * shares[-1]:.0f} % of the work", flush=True)
    print(f"medians: P99 between tokens {percentile(ratios, 0.5):.2f} times; computed, weighted by cost, "
          f"{100 * percentile(shares, 0.5):.0f} %")


async def overload(server):
    body = lambda: {"prompt": tokens(128), "max_tokens": 32, "ignore_eos": True}
    closed = [asyncio.create_task(repeat(body)) for _ in range(64)]
    # So long that the first ones have ended: in both parts nothing ends for as long as a request takes.
    run_in = 15
    await asyncio.sleep(run_in)
    done = 'vllm_request_count{status="SUCCESS"}'
    before, started = metrics()[done], time.monotonic()
    await asyncio.sleep(20)
    peak = (metrics()[done] - before) / (time.monotonic() - started)
    await stop(closed)
    print(f"always enough to do: {peak:.1f} requests/s, {server.resident():.0f} MiB", flush=True)
    results, tasks, memory, waiting, sender = [], [], [], [], Sender()
    requests = [request_of(body()) for _ in range(int((run_in + 61) * peak * 10))]

    async def one():
        try:
            results.append(await sender.send(requests.pop()))
        except (OSError, EOFError, ValueError, IndexError) as error:
            results.append((repr(error), 0))

    begun, before, started, second = time.monotonic(), 0, None, 0
    while (now := time.monotonic()) < begun + run_in + 60:
        if started is None and now >= begun + run_in:
            before, started, own = metrics()[done], now, time.process_time()
        while len(tasks) < (now - begun) * peak * 10:
            tasks.append(asyncio.create_task(one()))
        if now - begun > second:
            second += 1
            values = await asyncio.to_thread(metrics)
            waiting.append(values["vllm_waiting_requests"])
            memory.append(server.resident())
        await asyncio.sleep(0.002)
    seconds = time.monotonic() - started
    goodput, own = (metrics()[done] - before) / seconds, (time.process_time() - own) / seconds
    await asyncio.gather(*tasks)
    refused = [seconds for status, seconds in results if status == 503]
    kinds = {status: sum(1 for other, _ in results if other == status) for status, _ in results}
    print(f"ten times that for 60 s: {goodput:.1f} requests/s, {100 * goodput / peak:.0f} % of it; the sender took {own:.2f} cores; "
          f"answers {kinds}")
    print(f"refusals: median {percentile(refused, 0.5) * 1000:.1f} ms, P99 {percentile(refused, 0.99) * 1000:.1f} ms; "
          f"waiting at most {max(waiting):.0f}; memory {memory[0]:.0f} to {memory[-1]:.0f} MiB, at most {max(memory):.0f}")


class Tenants:
    """The batch job and the chat, each with a key of its own."""

    def __init__(self, arguments, options):
        parser = argparse.ArgumentParser(prog="load-shapes.py tenants", description=__doc__,
                                         formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("model", nargs="?", default=MODEL)
        for name, value in [("batch", 500), ("batch-in", 256), ("batch-out", 200), ("online", 300), ("idle", 100),
                            ("solo", 150), ("ceiling", 6)]:
            parser.add_argument(f"--{name}", type=int, default=value)
        parser.add_argument("--parts", default="solo,idle,both,bare")
        parser.add_argument("--results")
        self.settings = parser.parse_args(arguments)
        self.options = options
        self.folder = tempfile.TemporaryDirectory()
        self.keys = {name: f"key-of-{name}-for-this-run" for name in ("batch", "online")}
        entries = "".join(f"  - name: {name}\n    hash: sha256:{hashlib.sha256(key.encode()).hexdigest()}\n"
                          for name, key in self.keys.items())
        self.key_file = self.write("keys.yaml", "keys:\n" + entries)
        self.tenant_file = self.write(
            "tenants.yaml", "tenants:\n  - name: online\n  - name: batch\n    priority: 1000\n"
            f"    max_sequences: {self.settings.ceiling}\n")
        self.results = {}
        if self.settings.results and os.path.exists(self.settings.results):
            with open(self.settings.results) as file:
                self.results = json.load(file)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def server(self, has_tenants):
        more = ["--tenant-file", self.tenant_file, "--scheduling-policy", "priority"] if has_tenants else []
        return Server(self.settings.model, ["--api-key-file", self.key_file, "--metrics-auth", "none", *more, *self.options])

    def run(self):
        for part in self.settings.parts.split(","):
            with self.server(part != "bare"):
                asyncio.run({"solo": self.solo, "idle": self.idle, "both": self.both, "bare": self.both}[part](part))
            if self.settings.results:
                with open(self.settings.results, "w") as file:
                    json.dump(self.results, file)
        self.report()

    # The two kinds of requests.

    async def job(self, count, done):
        async def one():
            body = {"prompt": tokens(self.settings.batch_in), "max_tokens": self.settings.batch_out, "ignore_eos": True}
            status, _ = await post(body, timeout=7200, key=self.keys["batch"])
            done.append(status)
        await asyncio.gather(*(one() for _ in range(count)))

    async def chat(self, count, firsts):
        async def one():
            body = {"prompt": tokens(128), "max_tokens": 32, "ignore_eos": True, "stream": True}
            await post(body, timeout=7200, key=self.keys["online"], firsts=firsts)
        started, tasks = time.monotonic(), []
        for index in range(count):
            await asyncio.sleep(max(0, started + index - time.monotonic()))
            tasks.append(asyncio.create_task(one()))
        await asyncio.gather(*tasks)

    async def warm_up(self):
        for key in self.keys.values():
            await post({"prompt": tokens(512), "max_tokens": 16, "ignore_eos": True}, key=key)

    # The parts.

    async def solo(self, _):
        await self.warm_up()
        prompts = [asyncio.create_task(repeat(lambda: {"prompt": tokens(self.settings.batch_in), "max_tokens": 1}, None, 120,
                                              self.keys["batch"])) for _ in range(4)]
        await asyncio.sleep(2)
        alone = await rates(asyncio.sleep(10))
        await stop(prompts)
        done = []
        job = asyncio.create_task(self.job(self.settings.solo, done))
        await asyncio.sleep(3)
        enough = max(1, self.settings.solo - self.settings.ceiling)
        self.results["solo"] = {"prompts": alone[0], "rates": await rates(until(lambda: len(done) >= enough))}
        await job
        prefill, decode = self.results["solo"]["rates"]
        print(f"prompts alone: {alone[0]:.0f} tokens/s", flush=True)
        print(f"solo: the batch job alone: {prefill:.0f} tokens/s in, {decode:.0f} out", flush=True)

    async def idle(self, part):
        await self.warm_up()
        firsts = []
        await self.chat(self.settings.idle, firsts)
        self.note(part, firsts)

    async def both(self, part):
        await self.warm_up()
        done, firsts = [], []
        job = asyncio.create_task(self.job(self.settings.batch, done))
        await asyncio.sleep(3)
        chat = asyncio.create_task(self.chat(self.settings.online, firsts))
        enough = max(1, self.settings.batch - self.settings.ceiling)
        sending = asyncio.create_task(asyncio.sleep(self.settings.online))
        looking = asyncio.create_task(self.doctor(part))
        measured = await rates(until(lambda: len(done) >= enough or sending.done()))
        lasted = "still at work" if len(done) < enough else "done before the chat"
        await asyncio.gather(job, chat, looking)
        self.note(part, firsts, measured)
        print(f"  the batch job: {done.count(200)} of {self.settings.batch} answered; when the chat had sent its last, "
              f"it was {lasted}", flush=True)

    async def doctor(self, part):
        """In the middle of the run, when the queues have settled."""
        await asyncio.sleep(max(0, self.settings.online / 2 - 5))
        process = await asyncio.create_subprocess_exec(
            PAGODA, "doctor", f"http://127.0.0.1:{PORT}", "--interval", "10", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = await process.communicate()
        self.results.setdefault("doctor", {})[part] = output.decode()

    # What came of it.

    def note(self, part, firsts, measured=None):
        self.results[part] = {"median": percentile(firsts, 0.5), "p99": percentile(firsts, 0.99), "count": len(firsts),
                              "rates": measured}
        print(f"{part}: {len(firsts)} requests of the chat, first token median {percentile(firsts, 0.5) * 1000:.0f} ms, "
              f"P99 {percentile(firsts, 0.99) * 1000:.0f} ms", flush=True)
        if measured:
            print(f"  both together: {measured[0]:.0f} tokens/s in, {measured[1]:.0f} out", flush=True)

    def report(self):
        found = self.results
        for part in ("both", "bare"):
            if part in found and "idle" in found:
                times = {key: found[part][key] / found["idle"][key] for key in ("median", "p99")}
                print(f"{part}: the chat's first token takes {times['p99']:.2f} times what it takes on an idle server at P99, "
                      f"{times['median']:.2f} times in the median")
            if part in found and "solo" in found:
                prompts, (prefill, decode) = found["solo"]["prompts"], found["solo"]["rates"]
                # The batch job alone is all there is: what its prompts leave is its answers'.
                decodes = decode / max(1e-9, 1 - prefill / prompts)
                work = found[part]["rates"][0] / prompts + found[part]["rates"][1] / decodes
                print(f"{part}: together {100 * work:.0f} % of what the batch job does alone, weighted by cost")
        for part, text in found.get("doctor", {}).items():
            print(f"\n$ pagoda doctor --interval 10    # {part}\n{text}")


async def until(condition):
    while not condition():
        await asyncio.sleep(0.2)


async def rates(during):
    """Prompts' tokens that were answered and tokens of answers, a second: nothing that is computed twice counts."""
    def counts():
        values = metrics()
        return [sum(value for name, value in values.items() if name.startswith(f"vllm:{kind}_tokens_total{{"))
                for kind in ("prompt", "generation")]
    before, started = await asyncio.to_thread(counts), time.monotonic()
    await during
    after, seconds = await asyncio.to_thread(counts), time.monotonic() - started
    return [(b - a) / seconds for a, b in zip(before, after)]


MODEL = os.path.expanduser("~/.cache/pagoda/models/SmolLM2-135M-Instruct-Q4_0.gguf")


def main():
    arguments = sys.argv[1:]
    options = arguments[arguments.index("--") + 1:] if "--" in arguments else []
    arguments = arguments[:arguments.index("--")] if "--" in arguments else arguments
    if not arguments or arguments[0] not in ("interference", "overload", "tenants"):
        raise SystemExit(__doc__)
    if arguments[0] == "tenants":
        return Tenants(arguments[1:], options).run()
    model = arguments[1] if len(arguments) > 1 else MODEL
    if arguments[0] == "overload":
        options = ["--max-num-queued-reqs", "72", *options]
    with Server(model, options) as server:
        asyncio.run(interference() if arguments[0] == "interference" else overload(server))


if __name__ == "__main__":
    main()
