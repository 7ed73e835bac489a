"""Tests the image that `make image` made: unpacks it and runs the program from its root, as an engine would.

    python3 tools/test-image.py FOLDER MODEL.gguf

The root is mounted read-only in a mount and a process namespace of its own; the program is process 1 in it, of the image's user,
without capabilities and without a way to new ones; the model's folder is mounted read-only, the cache is a volume. Needs root (for
namespaces and chroot), Debian's umoci, and nothing beyond Python itself.
"""
import json, os, pathlib, signal, socket, stat, subprocess, sys, tarfile, tempfile, time, urllib.error, urllib.request

TOOLS = pathlib.Path(__file__).resolve().parent
FOLDER, MODEL = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
failures = []

# What an engine does, in the shell's words: $1 root, $2 models, $3 cache, $4 user, then the command.
CONTAINER = r"""
set -e
root=$1 models=$2 cache=$3 user=$4
shift 4
mount --bind "$root" "$root"
mount --bind "$models" "$root/models"
mount -o remount,bind,ro "$root/models"
mount --bind "$cache" "$root/cache"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \
    env --ignore-environment $ENVIRONMENT "$(command -v chroot)" --userspec="$user" --groups= "$root" "$@"
"""


def check(condition, text):
    print(("ok      " if condition else "FAILED  ") + text, flush=True)
    if not condition:
        failures.append(text)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Image:
    def __init__(self, archive, work):
        self.version = archive.name.removeprefix("pagoda-").removesuffix(".oci.tar")
        self.layout = work / "layout"
        with tarfile.open(archive) as tar:
            tar.extractall(self.layout)
        index = json.loads((self.layout / "index.json").read_text())
        self.manifest = self.blob(index["manifests"][0])
        self.config = self.blob(self.manifest["config"])
        umoci = output(TOOLS / "umoci.sh").strip()
        output(umoci, "unpack", "--image", f"{self.layout}:{self.version}", work / "bundle")
        self.root = work / "bundle/rootfs"

    def blob(self, descriptor):
        return json.loads((self.layout / "blobs" / descriptor["digest"].replace(":", "/")).read_text())


class Container:
    """A command of the image, running; ended by its id."""

    def __init__(self, image, cache, arguments, environment=()):
        config = image.config["config"]
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", CONTAINER, "container", image.root,
             MODEL.parent, cache, config["User"], *config["Entrypoint"], *arguments],
            env={**os.environ, "ENVIRONMENT": " ".join([*config["Env"], *environment])},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    @property
    def pid(self):
        """Process 1 of the namespace, by its id here; None before it is the program."""
        for child in pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            try:
                if os.readlink(f"/proc/{child}/exe").endswith("/usr/bin/pagoda"):
                    return int(child)
            except OSError:
                pass
        return None

    def wait_for_program(self):
        end = time.time() + 20
        while time.time() < end and self.process.poll() is None:
            if self.pid:
                return self.pid
            time.sleep(0.005)
        sys.exit(f"test-image: the program did not start: {self.text()}")

    def status(self):
        lines = pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}

    def mounts(self):
        """Options by the place of each mount, as the program sees them."""
        lines = pathlib.Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()
        return {fields[4]: fields[5].split(",") for fields in map(str.split, lines)}

    def end(self, seconds):
        """Sends SIGTERM; the status and how long it took, or None."""
        begun = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        try:
            return self.process.wait(seconds), time.monotonic() - begun
        except subprocess.TimeoutExpired:
            self.process.kill()
            return None, seconds

    def text(self):
        return pathlib.Path(self.log.name).read_text()


def fetch(url, body=None):
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def check_contents(image):
    config = image.config["config"]
    check(config["User"].split(":")[0].isdigit() and config["User"][0] != "0", f"user {config['User']}, a number and not root")
    check(config["Entrypoint"] == ["/usr/bin/pagoda"] and config["StopSignal"] == "SIGTERM", "entrypoint, stop signal")
    check("8000/tcp" in config["ExposedPorts"] and "/cache" in config["Volumes"], "port and volume")
    check(config["Labels"]["org.opencontainers.image.version"] == image.version, f"label of version {image.version}")
    files = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    programs = [path for path in files if path.parent.name in ("bin", "sbin")]
    check([str(path.relative_to(image.root)) for path in programs] == ["usr/bin/pagoda"], "the only program is pagoda: no shell")
    check(not any(path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | 0o022) for path in files), "nothing is setuid or writable")
    check(all(path.stat().st_uid == 0 for path in image.root.rglob("*")), "everything belongs to root")
    authorities = (image.root / "etc/ssl/certs/ca-certificates.crt").read_text().count("BEGIN CERTIFICATE")
    check(authorities > 100, f"{authorities} certificates of authorities")


def check_bill(image):
    bill = json.loads((FOLDER / f"pagoda-{image.version}.spdx.json").read_text())
    named = {package["name"]: package for package in bill["packages"]}
    check({"pagoda", "swift-nio", "BoringSSL", "libc6", "ca-certificates"} <= set(named), f"bill of {len(named)} names")
    check(all(package["licenseDeclared"] != "NOASSERTION" for name, package in named.items() if name != "pagoda-image"),
          "each package in it has a licence")


def check_running(image, work):
    cache = work / "cache"
    cache.mkdir(mode=0o777)
    cache.chmod(0o777)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    model = f"/models/{MODEL.name}"
    server = Container(image, cache, ["serve", model, "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "2048"])
    probe = image.config["config"]["Healthcheck"]["Test"]

    def health(url):
        assert probe[:2] == ["CMD", "/usr/bin/pagoda"]
        return Container(image, cache, probe[2:], [f"PAGODA_HEALTH_URL={url}"]).process.wait(20)

    try:
        server.wait_for_program()
        end = time.time() + 60
        while server.process.poll() is None and time.time() < end:
            try:
                fetch(base + "/health")
                break
            except OSError:
                time.sleep(0.05)
        check(server.process.poll() is None, "it starts" + ("" if server.process.poll() is None else ": " + server.text()))
        status, user = server.status(), image.config["config"]["User"].split(":")[0]
        check(set(status["Uid"]) == {user} and set(status["Gid"]) == {user} and status["Groups"] == [], f"runs as {user}, no groups")
        check(status["NSpid"][-1] == "1", "as process 1 of its namespace")
        check(int(status["CapEff"][0], 16) == int(status["CapPrm"][0], 16) == int(status["CapBnd"][0], 16) & ~0xC0 & ~(1 << 18) == 0
              and status["NoNewPrivs"] == ["1"], "without capabilities, and no way to new ones")
        mounts = server.mounts()
        check("ro" in mounts["/"] and "ro" in mounts["/models"] and "rw" in mounts["/cache"], "root and models read-only, cache not")
        answer = json.loads(fetch(base + "/v1/completions", {"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}))
        check("Paris" in answer["choices"][0]["text"], f"answers a completion: {answer['choices'][0]['text']!r}")
        scrape = fetch(base + "/metrics")
        check('vllm_request_count{status="SUCCESS"} 1' in scrape, f"answers a scrape: {len(scrape.splitlines())} lines")
        check(health(base) == 0 and health("http://127.0.0.1:1") == 1, "the health check tells the server from none")

        # Before a command handles signals: as process 1 it would be spared them otherwise.
        asking = Container(image, cache, ["doctor", base, "--interval", "600"])
        asking.wait_for_program()
        time.sleep(0.5)
        code, seconds = asking.end(10)
        check(code == 128 + signal.SIGTERM, f"SIGTERM ends another command, as process 1: status {code} after {seconds:.2f} s")

        code, seconds = server.end(20)
        check(code == 0, f"SIGTERM ends the server: status {code} after {seconds:.2f} s")
        check("stopped" in server.text(), "and it says so in the log")
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def main():
    if os.geteuid() != 0:
        sys.exit("test-image: needs root, for namespaces and chroot")
    archive, = FOLDER.glob("pagoda-*.oci.tar")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        image = Image(archive, pathlib.Path(folder))
        check_contents(image)
        check_bill(image)
        check_running(image, pathlib.Path(folder))
    if failures:
        sys.exit(f"test-image: {len(failures)} failed")


main()
