#!/usr/bin/env python3
"""Holds what `pagoda doctor --what-if` predicts against servers that are really set so.

    tools/what-if-check.py [--model MODEL.gguf] [--seconds 120] [--load 0.4] [--rounds 1] [--seed 1] [--keep FOLDER]
                           [--what-if SETTING=VALUE …] [-- SERVER OPTIONS]

Measures how many requests a second the server can do, then sends a share of that (`--load`), as they come (Poisson), with prompts
of 8 to 1,500 tokens of which some begin alike, to a server as it is and to one with each of the settings, all started side by
side: ten seconds of the load to one after the other, then the next ten seconds with another one first, so that a machine whose
pace changes changes for all of them alike. The predictions are made from the capture of the server as it is; each other server's
own capture says what it measured. Differences are relative to what was measured; of several rounds, each with requests of its own,
the medians count. Ends with 1 if one is above 15 %. A round takes `--seconds` for each server and some; nothing else should run on the machine.
"""
import argparse
import asyncio
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PORT = 8127
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("PAGODA", f"{ROOT}/.build/release/pagoda")
BASE = {"host": "127.0.0.1", "max-model-len": "2048", "kv-cache-memory-bytes": "256M"}
SETTINGS = ["max-num-batched-tokens=256", "max-num-seqs=4", "max-decode-slowdown=0", "kv-cache-memory-bytes=48M",
            "block-size=32"]
FIGURES = [("first_token_p99", "first token, P99", 1000, "ms"), ("token_p99", "between tokens, P99", 1000, "ms"),
           ("generated_tokens_per_second", "tokens out", 1, "/s")]
BOUND = 0.15
SLICE_SECONDS = 10
PROBE_SECONDS, PROBE_CLIENTS = 12, 8


def fail(sentence):
    raise SystemExit(f"what-if-check: {sentence}")


# The load: the same for the same seed.

def tokens(source, count):
    return [source.randrange(100, 40000) for _ in range(count)]


def make_request(source, beginnings):
    """A prompt and how many tokens to make of it. Lengths are log-normal, as those of conversations are: a mix of a few
    classes of lengths would have percentiles that jump from one class to the next."""
    def length(median, deviation, least, most):
        return max(least, min(most, round(source.lognormvariate(math.log(median), deviation))))
    prompt = tokens(source, length(90, 1, 8, 1500))
    if source.random() < 0.4:
        prompt = source.choice(beginnings) + prompt
    return prompt, length(14, 0.6, 2, 100)


def make_load(seed, rate, seconds):
    """Requests as (moment, prompt, tokens to make)."""
    source = random.Random(seed)
    beginnings = [tokens(source, 48) for _ in range(4)]
    load, moment = [], source.expovariate(rate)
    while moment < seconds:
        load.append((moment, *make_request(source, beginnings)))
        moment += source.expovariate(rate)
    return load


def slices(load, seconds):
    """The load cut by time, each slice with moments of its own."""
    for start in range(0, math.ceil(seconds), SLICE_SECONDS):
        yield [(moment - start, *rest) for moment, *rest in load if start <= moment < start + SLICE_SECONDS]


async def ask(port, prompt, output, latencies):
    """Sends a request, reads its stream; notes seconds to the first token and between tokens."""
    body = json.dumps({"prompt": prompt, "max_tokens": output, "temperature": 0, "ignore_eos": True, "stream": True}).encode()
    started = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                     b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        status = (await reader.readline()).split()
        if len(status) < 2 or status[1] != b"200":
            fail(f"a request was answered {status}")
        last, count = started, 0
        while line := await reader.readline():
            if line.startswith(b"data: {"):
                now = time.monotonic()
                latencies["first" if count == 0 else "between"].append(now - last)
                last, count = now, count + 1
            elif line.startswith(b"data: [DONE]"):
                return
        fail("a stream ended early")
    finally:
        writer.close()


async def send(port, load, latencies):
    """Sends requests at their moments, whether or not earlier ones are answered; notes what their clients saw."""
    started = time.monotonic()
    running = []
    for moment, prompt, output in load:
        await asyncio.sleep(max(0, started + moment - time.monotonic()))
        running.append(asyncio.create_task(ask(port, prompt, output, latencies)))
    await asyncio.gather(*running)


async def probe(port, seed):
    """Requests a second with some clients that each always have one."""
    source = random.Random(seed)
    beginnings = [tokens(source, 48) for _ in range(4)]
    latencies = {"first": [], "between": []}
    started, done = time.monotonic(), 0

    async def client():
        nonlocal done
        while time.monotonic() < started + PROBE_SECONDS:
            await ask(port, *make_request(source, beginnings), latencies)
            done += 1

    await asyncio.gather(*(client() for _ in range(PROBE_CLIENTS)))
    return done / (time.monotonic() - started)


# The server.

class Server:
    def __init__(self, model, changes, options, port=PORT):
        self.port = port
        self.latencies = {"first": [], "between": []}
        settings = {**BASE, "port": str(port), **changes}
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([BINARY, "serve", model, *arguments, "--enable-debug-endpoints", *options],
                                        stderr=self.log)
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    self.log.seek(0)
                    fail("the server did not start:\n" + self.log.read().decode(errors="replace"))
                time.sleep(0.1)

    def capture(self, seconds, path):
        """Writes what the server has recorded of so many seconds, once it has nothing more to do."""
        url = f"http://127.0.0.1:{self.port}/debug/workload?seconds={max(1, seconds):.3f}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            data = answer.read()
        with open(path, "wb") as file:
            file.write(data)
        if json.loads(data)["unfinished"]:
            fail("the server was not done when its capture was taken")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_all(options, names, load, folder):
    """Sends the load to a server with each of the settings, slice by slice in turn; what the clients of each saw, and
    where its capture is."""
    servers = {}
    try:
        for place, name in enumerate(names):
            changes = dict(part.split("=", 1) for part in name.split(",")) if name else {}
            servers[name] = Server(options.model, changes, options.server, PORT + place)
        for server in servers.values():
            asyncio.run(send(server.port, make_load(7, 10, 2), {"first": [], "between": []}))
        time.sleep(1)
        started = time.monotonic()
        turns = list(servers.values())
        for part in slices(load, options.seconds):
            for server in turns:
                asyncio.run(send(server.port, part, server.latencies))
            turns.append(turns.pop(0))
        # A sequence ends for its client before the step that ended it is reported.
        time.sleep(0.2)
        paths = {name: f"{folder}/{name or 'base'}.json" for name in names}
        for name, server in servers.items():
            server.capture(time.monotonic() - started + 0.3, paths[name])
        return {name: server.latencies for name, server in servers.items()}, paths
    finally:
        for server in servers.values():
            server.stop()


def doctor(path, scenarios=()):
    arguments = [part for scenario in scenarios for part in ("--what-if", scenario)]
    answer = subprocess.run([BINARY, "doctor", "--json", "--capture", path, *arguments], stdout=subprocess.PIPE, check=True)
    return json.loads(answer.stdout)


def p99(values):
    return sorted(values)[int(0.99 * (len(values) - 1))] if values else 0


# The comparison.

def pace(before, after):
    """How much longer equal steps of streams alone took in the second capture."""
    sizes = []
    for path in (before, after):
        with open(path) as file:
            steps = json.load(file)["steps"]
        sizes.append({count: statistics.median(step[6] for step in steps if step[1:3] == [0, count])
                      for count in {step[2] for step in steps if step[1] == 0}})
    return statistics.median(sizes[1][count] / sizes[0][count] for count in sizes[0].keys() & sizes[1].keys())


def one_round(options, number, folder):
    """Predicted and measured figures by setting; predictions alone under those that were not tried."""
    if options.rate is None:
        server = Server(options.model, {}, options.server)
        try:
            options.rate = options.load * asyncio.run(probe(PORT, 1000 + options.seed))
        finally:
            server.stop()
    load = make_load(options.seed + number, options.rate, options.seconds)
    prompts, outputs = sum(len(prompt) for _, prompt, _ in load), sum(output for *_, output in load)
    print(f"round {number + 1}: {len(load)} requests in {options.seconds} s ({options.rate:.2f}/s), "
          f"{prompts} prompt tokens, {outputs} tokens out", flush=True)
    if len(load) < 300:
        print("  fewer than 300 requests: a P99 of them says little; give more --seconds", flush=True)
    own = f"{folder}/round-{number + 1}"
    os.makedirs(own, exist_ok=True)
    latencies, paths = run_all(options, ["", *options.what_if], load, own)
    found = doctor(paths[""], [*options.what_if, "replicas=2"])
    print(f"  as it is: clients saw first tokens within {1000 * p99(latencies['']['first']):.0f} ms (P99), gaps of "
          f"{1000 * p99(latencies['']['between']):.0f} ms; half of {found['steps']} steps are within "
          f"{100 * found['step_error']:.1f} % of their model", flush=True)
    rows = {"as it is": (found["replayed"], found["measured"])}
    for name, scenario in zip(options.what_if, found["scenarios"]):
        rows[name] = (scenario, doctor(paths[name])["measured"])
        print(f"  {name}: steps of streams took {pace(paths[''], paths[name]):.2f} times what the first server's took", flush=True)
    rows["replicas=2"] = (found["scenarios"][-1], None)
    return rows


def report(rounds):
    """Prints medians; whether all are within the bound."""
    within = True
    print(f"\n{'setting':28} {'figure':20} {'predicted':>11} {'measured':>11} {'difference':>11}")
    for name in rounds[0]:
        for key, title, factor, unit in FIGURES:
            pairs = [rows[name] for rows in rounds]
            predicted = factor * statistics.median(pair[0][key] for pair in pairs)
            line = f"{name:28} {title:20} {f'{predicted:.1f} {unit}':>11}"
            if pairs[0][1] is None:
                print(line)
                continue
            measured = factor * statistics.median(pair[1][key] for pair in pairs)
            difference = statistics.median(pair[0][key] / pair[1][key] - 1 for pair in pairs)
            line += f" {f'{measured:.1f} {unit}':>11} {100 * difference:>+9.1f} %"
            if abs(difference) > BOUND:
                line += "  above 15 %"
                within = within and name == "as it is"
            print(line)
        preemptions = [[side["preemptions"] for side in rows[name] if side] for rows in rounds]
        if any(any(counts) for counts in preemptions):
            print(f"{name:28} preemptions, by round  " + ", ".join(" / ".join(map(str, counts)) for counts in preemptions))
    return within


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=os.path.expanduser("~/.cache/pagoda/models/SmolLM2-135M-Instruct-Q4_0.gguf"))
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--load", type=float, default=0.4, help="share of what the server can do")
    parser.add_argument("--rate", type=float, help="requests a second, instead of a share of what was measured")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for the captures")
    parser.add_argument("--what-if", action="append", metavar="SETTING=VALUE")
    arguments, server = sys.argv[1:], []
    if "--" in arguments:
        place = arguments.index("--")
        arguments, server = arguments[:place], arguments[place + 1:]
    options = parser.parse_args(arguments)
    options.server = server
    options.what_if = options.what_if or SETTINGS
    folder = options.keep or tempfile.mkdtemp(prefix="what-if-check-")
    os.makedirs(folder, exist_ok=True)
    try:
        rounds = [one_round(options, number, folder) for number in range(options.rounds)]
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if report(rounds) else 1)


if __name__ == "__main__":
    main()
