"""Stops a loaded server by SIGTERM and tells what becomes of its streams and of new requests: the table of docs/deployment.md.

    python3 tools/shutdown-load.py [--binary PAGODA] [--streams 32] MODEL

Three runs: time enough for all, for a part, for none. Fails if a stream is torn, if a new request gets anything but 503 with
Retry-After, or if the status is not 0.
"""
import argparse, http.client, json, signal, socket, subprocess, sys, threading, time, urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--binary", default=".build/release/pagoda")
parser.add_argument("--streams", type=int, default=32)
parser.add_argument("model")
arguments = parser.parse_args()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=180)
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    return connection.getresponse()


def stream(port, index, tokens, ends):
    """Notes how the stream ended, and when."""
    body = {"prompt": f"Story number {index}: once upon a time", "max_tokens": tokens, "temperature": 0, "ignore_eos": True,
            "stream": True}
    try:
        events = ask(port, body).read().decode().strip().split("\n\n")
        last = json.loads(events[-2].removeprefix("data: ")) if events[-1] == "data: [DONE]" else None
        error = last and last.get("error")
        how = "torn" if last is None else f"error {error['code']}" if error else "whole"
    except (OSError, http.client.HTTPException, ValueError, IndexError) as error:
        how = "torn"
    ends.append((how, time.monotonic()))


def status(port, path):
    """Of a GET; None where nothing listens."""
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10)
    except urllib.error.HTTPError as error:
        return error
    except OSError:
        return None


def running(port):
    text = status(port, "/metrics").read().decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("vllm_running_requests "))


def run(timeout, lengths):
    port = free_port()
    server = subprocess.Popen(
        [arguments.binary, "serve", arguments.model, "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "2048",
         "--max-num-seqs", str(arguments.streams), "--shutdown-timeout", str(timeout)], stderr=subprocess.DEVNULL)
    try:
        while (answer := status(port, "/health")) is None or answer.status != 200:
            if server.poll() is not None:
                sys.exit("shutdown-load: the server did not start")
            time.sleep(0.05)
        ends, refused = [], []
        threads = [threading.Thread(target=stream, args=(port, index, lengths[index % len(lengths)], ends))
                   for index in range(arguments.streams)]
        for thread in threads:
            thread.start()
        while running(port) < arguments.streams:
            time.sleep(0.02)
        told = time.monotonic()
        server.send_signal(signal.SIGTERM)
        while (answer := status(port, "/health")) is not None and answer.status == 200:
            pass
        while server.poll() is None and time.monotonic() - told < timeout + 30:
            try:
                answer = ask(port, {"prompt": "One", "max_tokens": 1})
                refused.append((answer.status, int(answer.getheader("Retry-After") or 0)))
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        code = server.wait(60)
        took = time.monotonic() - told
        for thread in threads:
            thread.join()
    finally:
        if server.poll() is None:
            server.kill()
    counts = {how: sum(1 for end, _ in ends if end == how) for how in sorted({end for end, _ in ends})}
    last = max(moment for _, moment in ends) - told
    print(f"| {timeout:g} s | {' and '.join(map(str, lengths))} | {', '.join(f'{count} {how}' for how, count in counts.items())} | "
          f"{last:.2f} s | {took:.2f} s | {len(refused)} × {sorted({code for code, _ in refused})}, "
          f"Retry-After {min((delay for _, delay in refused), default=0)}–{max((delay for _, delay in refused), default=0)} | {code} |",
          flush=True)
    return code == 0 and "torn" not in counts and all(code == 503 and delay > 0 for code, delay in refused)


print("| --shutdown-timeout | tokens of a stream | streams | last one ended after | process ended after | new requests | status |")
print("|---|---|---|---|---|---|---|")
results = [run(60, [64]), run(5, [32, 1900]), run(0, [1900])]
sys.exit(0 if all(results) else "shutdown-load: failed")
