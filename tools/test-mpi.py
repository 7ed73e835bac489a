"""Tests tensor parallelism over processes: mpirun and the binary that `make build-mpi` makes.

    python3 tools/test-mpi.py BINARY SMOLLM2.gguf QWEN.gguf [refusal|loss|tokens …]

Two ranks must give the tokens of one, in reference mode, for the 20 prompts of the golden files; a number of ranks that
does not divide the heads must be refused; and whichever rank dies or hangs, all must end within two seconds, with the
reason in the log and a status that is not 0. Needs nothing but Python's standard library.
"""
import json, os, signal, socket, subprocess, sys, tempfile, threading, time, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY, SMOLLM2, QWEN = sys.argv[1:4]
PARTS = sys.argv[4:] or ["refusal", "loss", "tokens"]
failures = []


def check(condition, text):
    print(("ok      " if condition else "FAILED  ") + text, flush=True)
    if not condition:
        failures.append(text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rank_of(pid):
    """The rank of a process that mpirun started, by its environment; None if it is none, or gone."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            for entry in file.read().split(b"\0"):
                if entry.startswith(b"OMPI_COMM_WORLD_RANK="):
                    return int(entry.split(b"=")[1])
    except OSError:
        pass
    return None


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


class Server:
    def __init__(self, model, ranks, *options):
        self.port = free_port()
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        command = [BINARY, "serve", model, "--host", "127.0.0.1", "--port", str(self.port), "--max-model-len", "4096"]
        if ranks > 1:
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] + command
        self.process = subprocess.Popen(command + list(options), stdout=self.log, stderr=self.log)

    def wait(self, seconds=120):
        end = time.time() + seconds
        while time.time() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2).read()
                return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server did not start:\n" + self.text())

    def text(self):
        with open(self.log.name) as file:
            return file.read()

    def complete(self, prompt, count):
        body = {"prompt": prompt, "max_tokens": count, "temperature": 0, "ignore_eos": True, "return_token_ids": True}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/completions", json.dumps(body).encode(),
            {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=300))["choices"][0]["token_ids"]

    def ranks(self):
        """Process ids by rank."""
        found, pending = {}, [self.process.pid]
        while pending:
            pid = pending.pop()
            pending += children(pid)
            rank = rank_of(pid)
            if rank is not None and pid != self.process.pid:
                found.setdefault(rank, pid)
        return found

    def end(self):
        """Asks for a good end; the status."""
        ranks = self.ranks()
        os.kill(ranks.get(0, self.process.pid), signal.SIGTERM)
        return self.process.wait(timeout=20)


def golden(name):
    with open(os.path.join(ROOT, f"Tests/ModelsTests/Fixtures/{name}.json")) as file:
        return json.load(file)["cases"]


def tokens(server, cases):
    """All prompts at once, as clients send them."""
    results = [None] * len(cases)

    def run(index):
        results[index] = server.complete(cases[index]["prompt"], 64)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(cases))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def compare(name, model, ranks):
    cases, exact = golden(name), ("--dtype", "float32", "--kv-cache-dtype", "float32", "--threads", "2")
    one = Server(model, 1, *exact).wait()
    expected = tokens(one, cases)
    check(one.end() == 0, f"{name}: one rank ends well")
    several = Server(model, ranks, *exact).wait()
    found = tokens(several, cases)
    same = sum(a == b for a, b in zip(found, expected))
    reference = sum(a == case["tokens"] for a, case in zip(found, cases))
    check(None not in expected and same == len(cases), f"{name}: {ranks} ranks give the tokens of one: {same} of 20")
    print(f"        of Transformers' tokens: {reference} of 20 prompts")
    status = several.end()
    check(status == 0, f"{name}: {ranks} ranks end well (status {status})")


def loss(rank, number, words, request):
    """A signal to a rank, while it is idle or in the middle of a request."""
    server = Server(SMOLLM2, 3, "--threads", "3").wait()
    pids = server.ranks()
    check(sorted(pids) == [0, 1, 2], f"three ranks run: {sorted(pids)}")
    if request:
        threading.Thread(target=lambda: try_to(lambda: server.complete([1, 2, 3], 4000)), daemon=True).start()
        time.sleep(1)
    begun = time.time()
    os.kill(pids[rank], number)
    # A stopped process cannot end, and mpirun waits for it; what counts is that the others do.
    others = [pid for other, pid in pids.items() if other != rank]
    while time.time() - begun < 10 and any(alive(pid) for pid in others):
        time.sleep(0.01)
    took = time.time() - begun
    if number == signal.SIGSTOP:
        os.kill(pids[rank], signal.SIGKILL)
    status = server.process.wait(timeout=20)
    what = f"rank {rank} gets {signal.Signals(number).name}, {'busy' if request else 'idle'}"
    check(took < 2, f"{what}: the others have ended after {took:.2f} s")
    check(status != 0, f"{what}: mpirun's status is {status}")
    log = server.text()
    check(f"Rank {rank} is lost" in log and words in log, f"{what}: the log says '{words}'")
    if f"Rank {rank} is lost" not in log:
        print(log)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def try_to(body):
    try:
        body()
    except Exception:
        pass


def refused():
    server = Server(SMOLLM2, 2)
    status = server.process.wait(timeout=60)
    check(status != 0 and "9 attention heads" in server.text(), f"9 heads on 2 ranks are refused (status {status})")


if "refusal" in PARTS:
    refused()
if "loss" in PARTS:
    for request in (False, True):
        loss(1, signal.SIGKILL, "its process has ended", request)
        loss(0, signal.SIGKILL, "its process has ended", request)
    loss(2, signal.SIGSTOP, "nothing was heard of it", True)
if "tokens" in PARTS:
    compare("qwen2.5-coder-0.5b", QWEN, 2)
    compare("smollm2", SMOLLM2, 3)
sys.exit(f"{len(failures)} failed" if failures else 0)
