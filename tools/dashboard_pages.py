#!/usr/bin/env python3
"""Opens a server's dashboard in headless Chromium, takes pictures of it and checks it.

    dashboard_pages.py URL FOLDER [--idle] [--only NAME]

Pictures go to FOLDER as dashboard-NAME.png. It fails if the page writes an error to the console, asks for anything
but its own data, or, with --idle (no request under way, so that numbers stand still), shows a number that /metrics
does not. Chromium is spoken to over a pipe, so that no package is needed.
"""
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

PAGES = [
    # name, width, height of the window, colour scheme, the button pressed, pixels per point
    ("light", 1320, 900, "light", "300", 1),
    ("dark", 1320, 900, "dark", "300", 1),
    ("hour", 1320, 900, "light", "3600", 1),
    ("tablet", 820, 1000, "dark", "300", 1),
    ("phone", 390, 844, "light", "300", 2),
]

# Numbers on the page and the sums of series they stand for.
SHOWN = """
Object.fromEntries([
    ["vllm_request_count", document.querySelector("#requests .now b").textContent],
    ["vllm_generation_throughput", document.querySelector("#tokens-a-second .now b").textContent],
    ["vllm_waiting_requests", document.querySelector("#queue .now b").textContent],
    ["vllm:num_preemptions_total", document.querySelector("#kv-cache-over-time .now b").textContent],
    ["pagoda_steps_total", document.querySelector("#time-of-the-engine .now b").textContent],
    ["vllm_gpu_cache_usage_ratio", document.querySelector("#kv-cache svg text").textContent],
])
"""


class Browser:
    def __init__(self, folder):
        to_read, self.write_end = os.pipe()
        self.read_end, to_write = os.pipe()

        def wire():
            # By way of higher numbers: one of the two may stand at 3 or 4 already.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, to_write)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
             "--disable-extensions", "--hide-scrollbars", "--no-first-run", f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=wire, close_fds=False, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.buffer = b""
        self.count = 0
        self.session = None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(domain + ".enable")

    def call(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def receive(self):
        while b"\0" not in self.buffer:
            part = os.read(self.read_end, 1 << 20)
            if not part:
                raise RuntimeError("Chromium has gone")
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:500])
        return result["result"].get("value")

    def wait_for(self, expression, seconds=30):
        deadline = time.time() + seconds
        while not self.evaluate(expression):
            if time.time() > deadline:
                raise RuntimeError(f"never came true: {expression}")
            time.sleep(0.2)

    def complaints(self):
        """What the page wrote to the console as an error, and what was loaded from elsewhere."""
        found = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(parameters["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(str([argument.get("value") for argument in parameters["args"]]))
            elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"]["text"])
            elif method == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if not url.startswith((self.base + "/dashboard", "data:", "about:")):
                    found.append("asks for " + url)
        return found

    def close(self):
        self.process.kill()
        self.process.wait()


def metrics(base):
    """The sum of each name's series."""
    sums = {}
    for line in urllib.request.urlopen(base + "/metrics").read().decode().splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            name = series.split("{")[0]
            sums[name] = sums.get(name, 0) + float(value)
    return sums


def check_numbers(browser, base):
    wrong, scrape = [], metrics(base)
    for name, text in browser.evaluate(SHOWN).items():
        shown = float(text.replace(",", "").replace(" %", ""))
        expected = scrape[name] * (100 if "%" in text else 1)
        if abs(shown - expected) > 0.005 * max(1, abs(expected)):
            wrong.append(f"{name} is {expected} in /metrics and {text} on the page")
        print(f"{name}: {text} on the page, {scrape[name]} in /metrics")
    return wrong


def main():
    base, folder = sys.argv[1].rstrip("/"), sys.argv[2]
    only = sys.argv[sys.argv.index("--only") + 1].split(",") if "--only" in sys.argv else None
    os.makedirs(folder, exist_ok=True)
    wrong = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        browser.base = base
        try:
            for name, width, height, scheme, button, ratio in PAGES:
                if only and name not in only:
                    continue
                browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
                size = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": width < 600}
                browser.call("Emulation.setDeviceMetricsOverride", **size)
                browser.call("Page.navigate", url=base + "/dashboard")
                browser.wait_for("typeof dashboard !== 'undefined' && dashboard.history.latest !== null")
                if button != "300":
                    browser.evaluate(f"document.querySelector('[data-range=\"{button}\"]').click()")
                time.sleep(2.5)
                if "--idle" in sys.argv and name == "light":
                    wrong += check_numbers(browser, base)
                whole = browser.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
                if whole[0] > width:
                    wrong.append(f"{name}: the page is {whole[0]} wide in a window of {width}")
                browser.call("Emulation.setDeviceMetricsOverride", **{**size, "height": whole[1]})
                time.sleep(1.2)
                picture = browser.call("Page.captureScreenshot", format="png")["data"]
                path = os.path.join(folder, f"dashboard-{name}.png")
                with open(path, "wb") as file:
                    file.write(__import__("base64").b64decode(picture))
                print(path)
            wrong += browser.complaints()
        finally:
            browser.close()
    for sentence in wrong:
        print("wrong:", sentence)
    sys.exit(1 if wrong else 0)


main()
