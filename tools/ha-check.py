#!/usr/bin/env python3
"""Shows that alerts outlive a Prometheus and an Alertmanager, and are delivered once.

    python3 tools/ha-check.py BINARY MODEL [--graph FILE.svg]

Starts on loopback, with the real programs (tools/fetch-prometheus.sh): one pagoda server, the two Prometheus servers of
deploy/prometheus/ha with the rules of deploy/prometheus, two Alertmanagers that form a cluster, and a webhook that
notes what it gets. Windows and pauses are seconds instead of minutes; Alertmanager's routes are one webhook, its
inhibition is the deployed one. Prints a timeline; exits with 1 at the first thing that is not as it should be.
"""

import argparse
import datetime
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import ha_graph

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("PAGODA_CACHE", pathlib.Path.home() / ".cache/pagoda"))
PROGRAMS = CACHE / "prometheus/usr/bin"
# How long one of the pair waits for the other to deliver; 15 s by default.
PEER_TIMEOUT = 3
REJECTED, DOWN = "PagodaRequestsRejected", "PagodaDown"


class Failure(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, timeout=2):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read()


def answers(url):
    try:
        get(url)
        return True
    except (OSError, urllib.error.URLError):
        return False


class Program:
    """A process with its log; started anew with the same command after it was killed."""

    def __init__(self, name, command, folder):
        self.name, self.command, self.folder = name, command, folder
        self.process = None

    def start(self):
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)

    def log(self):
        return (self.folder / f"{self.name}.log").read_text(errors="replace")[-2000:]


class Receiver:
    """The webhook: every alert of every notification, with the moment and the sender."""

    def __init__(self, clock):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    received.append({
                        "time": clock(), "sender": body["externalURL"].removeprefix("http://"),
                        "alert": alert["labels"]["alertname"], "status": alert["status"], "labels": alert["labels"]})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, alert, status):
        return [one for one in self.received if one["alert"] == alert and one["status"] == status]


def hurried(text):
    """Windows of ten seconds and pauses of one, as the end-to-end tests have them."""
    text = re.sub(r"\[\d+[mhd]\]", "[10s]", text)
    return re.sub(r"for: \d+[mhd]", "for: 1s", text)


class Check:
    def __init__(self, binary, model, folder):
        self.folder = folder
        self.begun = time.monotonic()
        self.events, self.samples = [], []
        self.receiver = Receiver(self.clock)
        self.ports = {name: free_port() for name in (
            "pagoda", "prometheus-a", "prometheus-b", "alertmanager-a", "alertmanager-b", "cluster-a", "cluster-b")}
        self.programs = {"pagoda": Program("pagoda", [
            binary, "serve", model, "--host", "127.0.0.1", "--port", str(self.ports["pagoda"]),
            "--max-model-len", "1024", "--max-num-seqs", "1", "--max-num-queued-reqs", "1"], folder)}
        self.write_files()
        for one, other in ("ab", "ba"):
            self.programs[f"prometheus-{one}"] = Program(f"prometheus-{one}", [
                PROGRAMS / "prometheus", f"--config.file=ha/prometheus-{one}.yml",
                f"--storage.tsdb.path=data-{one}", f"--web.listen-address={self.address(f'prometheus-{one}')}"], folder)
            self.programs[f"alertmanager-{one}"] = Program(f"alertmanager-{one}", [
                PROGRAMS / "prometheus-alertmanager", "--config.file=alertmanager.yml",
                f"--storage.path=notifications-{one}", f"--web.listen-address={self.address(f'alertmanager-{one}')}",
                f"--web.external-url=http://alertmanager-{one}", "--web.route-prefix=/",
                f"--cluster.listen-address={self.address(f'cluster-{one}')}",
                f"--cluster.peer={self.address(f'cluster-{other}')}", f"--cluster.peer-timeout={PEER_TIMEOUT}s"],
                folder)

    def clock(self):
        return time.monotonic() - self.begun

    def address(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def url(self, name, path):
        return f"http://{self.address(name)}{path}"

    def write_files(self):
        deploy = ROOT / "deploy"
        (self.folder / "ha").mkdir()
        (self.folder / "rules").mkdir()
        for rules in (deploy / "prometheus/rules").glob("*.yml"):
            (self.folder / "rules" / rules.name).write_text(hurried(rules.read_text()))
        for one in "ab":
            text = (deploy / f"prometheus/ha/prometheus-{one}.yml").read_text()
            text = re.sub(r"(interval|timeout): 1[05]s", r"\1: 1s", text)
            for name in self.ports:
                text = re.sub(rf"\b{name}:\d+", self.address(name), text)
            (self.folder / f"ha/prometheus-{one}.yml").write_text(text)
        deployed = (deploy / "alertmanager/alertmanager.yml").read_text()
        inhibition = deployed[deployed.index("inhibit_rules:"):deployed.index("receivers:")]
        (self.folder / "alertmanager.yml").write_text(
            "route: {receiver: webhook, group_by: [alertname, job], group_wait: 1s, group_interval: 3s}\n"
            + inhibition + "receivers:\n  - name: webhook\n    webhook_configs:\n"
            + f"      - {{url: 'http://127.0.0.1:{self.receiver.port}/', send_resolved: true}}\n")

    # What happens, and what is seen of it.

    def note(self, text):
        self.events.append((self.clock(), text))
        print(f"{self.clock():6.1f} s  {text}", flush=True)

    def wait(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {program.name}\n{program.log()}" for program in self.programs.values())
                raise Failure(f"{what}: not within {seconds} s; received {self.receiver.received}\n{logs}")
            time.sleep(0.1)

    def must(self, what, holds):
        if not holds:
            raise Failure(f"{what}: no; received {self.receiver.received}")
        self.note(f"  {what}")

    def firing(self, prometheus):
        """Names of the alerts that fire there; None if it does not answer."""
        try:
            alerts = json.loads(get(self.url(prometheus, "/api/v1/alerts")))["data"]["alerts"]
        except (OSError, urllib.error.URLError):
            return None
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def is_settled(self, alertmanager):
        try:
            cluster = json.loads(get(self.url(alertmanager, "/api/v2/status")))["cluster"]
        except (OSError, urllib.error.URLError):
            return False
        return cluster["status"] == "ready" and len(cluster["peers"]) == 2

    def sample(self):
        """Who answers and which alerts fire, twice a second, for the graph."""
        while True:
            seen = {"time": self.clock(), "up": [], "firing": {}}
            for one in "ab":
                firing = self.firing(f"prometheus-{one}")
                if firing is not None:
                    seen["up"].append(f"prometheus-{one}")
                    seen["firing"][f"prometheus-{one}"] = sorted(firing)
                if answers(self.url(f"alertmanager-{one}", "/-/healthy")):
                    seen["up"].append(f"alertmanager-{one}")
            if answers(self.url("pagoda", "/health")):
                seen["up"].append("pagoda")
            self.samples.append(seen)
            time.sleep(0.5)

    def overload(self, seconds):
        """More requests than the server takes: all but one are refused."""
        body = json.dumps({"prompt": "One", "max_tokens": 32, "ignore_eos": True}).encode()

        def ask():
            request = urllib.request.Request(
                self.url("pagoda", "/v1/completions"), body, {"Content-Type": "application/json"})
            try:
                urllib.request.urlopen(request, timeout=30).read()
            except (OSError, urllib.error.URLError):
                pass

        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for thread in [threading.Thread(target=ask, daemon=True) for _ in range(8)]:
                thread.start()
            time.sleep(0.25)

    # The story.

    def run(self):
        for program in self.programs.values():
            program.start()
        self.wait("the server is ready", lambda: answers(self.url("pagoda", "/health")), 120)
        for one in "ab":
            self.wait(f"prometheus-{one} is ready", lambda: answers(self.url(f"prometheus-{one}", "/-/ready")))
            self.wait("the Alertmanagers know each other", lambda: self.is_settled(f"alertmanager-{one}"))
        threading.Thread(target=self.sample, daemon=True).start()
        self.note("one server, two Prometheus, two Alertmanagers are up")
        time.sleep(5)
        self.both_alive()
        self.one_prometheus_less()
        self.it_comes_back()
        self.one_alertmanager_less()
        time.sleep(2)

    def both_alive(self):
        self.note("more requests come than the server takes")
        threading.Thread(target=self.overload, args=(8,), daemon=True).start()
        for one in "ab":
            self.wait(f"{REJECTED} fires in prometheus-{one}",
                      lambda: REJECTED in (self.firing(f"prometheus-{one}") or ()))
        self.note(f"{REJECTED} fires in both Prometheus")
        self.wait(f"{REJECTED} is delivered", lambda: self.receiver.of(REJECTED, "firing"))
        self.wait(f"{REJECTED} is resolved", lambda: self.receiver.of(REJECTED, "resolved"))
        time.sleep(2 * PEER_TIMEOUT)
        self.must(f"{REJECTED}, sent by both, was delivered once, and its end once",
                  len(self.receiver.of(REJECTED, "firing")) == len(self.receiver.of(REJECTED, "resolved")) == 1)

    def one_prometheus_less(self):
        self.programs["prometheus-a"].end()
        self.note("prometheus-a is killed (SIGKILL)")
        time.sleep(3)
        self.programs["pagoda"].end(signal.SIGTERM)
        self.note("the server ends (SIGTERM)")
        stopped = self.clock()
        self.wait(f"{DOWN} is delivered", lambda: self.receiver.of(DOWN, "firing"))
        self.sender = self.receiver.of(DOWN, "firing")[0]["sender"]
        self.note(f"{DOWN} is delivered by {self.sender}, {self.clock() - stopped:.1f} s after the server's end")
        time.sleep(2 * PEER_TIMEOUT)
        self.must(f"{DOWN}, seen by prometheus-b alone, was delivered once", len(self.receiver.of(DOWN, "firing")) == 1)

    def it_comes_back(self):
        self.programs["prometheus-a"].start()
        self.note("prometheus-a is started again")
        self.wait(f"{DOWN} fires in prometheus-a", lambda: DOWN in (self.firing("prometheus-a") or ()))
        self.note(f"{DOWN} fires in prometheus-a, too")
        time.sleep(3 * PEER_TIMEOUT)
        self.must(f"{DOWN} was not delivered a second time", len(self.receiver.of(DOWN, "firing")) == 1)

    def one_alertmanager_less(self):
        self.programs[self.sender].end()
        self.note(f"{self.sender}, which had delivered it, is killed (SIGKILL)")
        self.programs["pagoda"].start()
        self.wait("the server is ready again", lambda: answers(self.url("pagoda", "/health")), 120)
        self.note("the server is back")
        self.wait(f"the end of {DOWN} is delivered", lambda: self.receiver.of(DOWN, "resolved"))
        ended = self.receiver.of(DOWN, "resolved")
        self.must(f"the end of {DOWN} came from {ended[0]['sender']}", ended[0]["sender"] != self.sender)
        time.sleep(2 * PEER_TIMEOUT)
        self.must(f"the end of {DOWN} was delivered once", len(self.receiver.of(DOWN, "resolved")) == 1)

    def end(self):
        for program in self.programs.values():
            program.end()
        self.receiver.server.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--graph", type=pathlib.Path, help="where to draw what was seen, as SVG")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pagoda-ha-"))
    check = Check(os.path.abspath(arguments.binary), os.path.abspath(arguments.model), folder)
    try:
        check.run()
        print("\nWhat the webhook received of the two alerts:")
        for one in check.receiver.received:
            if one["alert"] in (REJECTED, DOWN):
                print(f"{one['time']:6.1f} s  {one['sender']}  {one['alert']}  {one['status']}")
        if arguments.graph:
            arguments.graph.write_text(ha_graph.draw(
                check.samples, [one for one in check.receiver.received if one["alert"] in (REJECTED, DOWN)],
                (REJECTED, DOWN), datetime.date.today()))
    except Failure as failure:
        print(f"ha-check: {failure}", file=sys.stderr)
        return 1
    finally:
        check.end()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
