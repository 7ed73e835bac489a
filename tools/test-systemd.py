"""Checks deploy/systemd/pagoda.service, and runs its command line.

    python3 tools/test-systemd.py BINARY MODEL

`systemd-analyze verify` must have nothing to say, and the exposure that `systemd-analyze security` computes must be at most 1.5 of
10. Then the unit's ExecStart, with its own variables and a credential, serves the model under strace as a user without rights:
it must answer its key and nobody else, ask the kernel for nothing that the unit's filter denies, open sockets of no other family, map
no memory that can be written and executed, and end with status 0 on SIGTERM. So no running systemd is needed; what only one can
show (namespaces, cgroups, DynamicUser itself) is not shown here. Needs root; installs Debian's systemd and strace if they are missing.
"""
import os, pathlib, re, shlex, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY, MODEL = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
UNIT, VARIABLES = ROOT / "deploy/systemd/pagoda.service", ROOT / "deploy/systemd/pagoda.env"
PROGRAM = "/usr/local/bin/pagoda"
MOST_EXPOSURE = 1.5
USER = "65532"
failures = []


def check(condition, text):
    print(("ok      " if condition else "FAILED  ") + text, flush=True)
    if not condition:
        failures.append(text)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def install(program, package):
    if not shutil.which(program):
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
        if run(*command)[0] != 0 and (run("apt-get", "update", "-q")[0] != 0 or run(*command)[0] != 0):
            sys.exit(f"test-systemd: {program} is missing; install {package}")


def settings():
    """The unit's settings, each with all of its values."""
    found = {}
    for line in UNIT.read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def analyze(work):
    # The program need not be installed where the unit has it for the unit to be right.
    unit = work / "pagoda.service"
    unit.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
    status, said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
    check(status == 0 and not said.strip(), "systemd-analyze verify" + (": " + said.strip() if said.strip() else " has nothing to say"))
    said = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)[1]
    exposure = re.search(r"Overall exposure level for pagoda.service: ([\d.]+ \w+)", said)
    check(exposure is not None and float(exposure[1].split()[0]) <= MOST_EXPOSURE,
          f"systemd-analyze security: exposure {exposure[1] if exposure else said}")


def calls(group):
    """The system calls of one of systemd's groups."""
    found = set()
    for line in run("systemd-analyze", "syscall-filter", "--no-pager", group)[1].splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= calls(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allowed_calls(filters):
    allowed = set()
    for value in filters:
        allowed = allowed - calls(value[1:]) if value.startswith("~") else allowed | calls(value)
    return allowed


def expanded(line, values):
    """A command line's words as systemd makes them: ${NAME} within a word, $NAME a list of words."""
    words = []
    for word in line.split():
        if re.fullmatch(r"\$\w+", word):
            words += shlex.split(values[word[1:]])
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], word))
    return words


def answer(port, path, key=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        return urllib.request.urlopen(request, timeout=30).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def serve(unit, work, model):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = subprocess.run([BINARY, "hash-key", "tester"], capture_output=True, text=True, check=True)
    key = made.stderr.split()[-1]
    credentials, cache, trace = work / "credentials", work / "cache", work / "trace"
    for folder in (credentials, cache, trace):
        folder.mkdir()
        shutil.chown(folder, int(USER), int(USER))
    (credentials / "keys.yaml").write_text("keys:\n" + made.stdout)
    shutil.chown(credentials / "keys.yaml", int(USER), int(USER))
    (credentials / "keys.yaml").chmod(0o400)
    values = dict(line.split("=", 1) for line in VARIABLES.read_text().splitlines() if "=" in line and line[0] != "#")
    values |= {"PAGODA_MODEL": model, "PAGODA_PORT": str(port), "PAGODA_OPTIONS": "--max-model-len 2048",
               "CREDENTIALS_DIRECTORY": str(credentials), "HF_HOME": str(cache), "PATH": os.environ["PATH"]}
    command = expanded(unit["ExecStart"][0].replace(PROGRAM, BINARY), values)
    log = open(work / "log", "w+")
    server = subprocess.Popen(
        ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all",
         "strace", "-f", "-qq", "-o", trace / "calls", *command], env=values, stderr=log)
    try:
        end = time.time() + 120
        while answer(port, "/health") != 200:
            if server.poll() is not None or time.time() > end:
                sys.exit("test-systemd: the server did not start: " + (work / "log").read_text())
            time.sleep(0.1)
        check(answer(port, "/v1/models") == 401, "without a key: 401")
        check(answer(port, "/v1/models", key) == 200, "with the key of the credential: 200")
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/completions", b'{"prompt": "One", "max_tokens": 8}',
            {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
        check(urllib.request.urlopen(request, timeout=60).status == 200, "a completion: 200")
        child = int(pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()[0])
        os.kill(child, signal.SIGTERM)
        check(server.wait(60) == 0, f"SIGTERM: status {server.returncode}")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
    return (trace / "calls").read_text()


def check_trace(unit, trace):
    made = set(re.findall(r"^\d+ +(\w+)\(", trace, re.M))
    denied = made - allowed_calls(unit["SystemCallFilter"])
    check(not denied, f"{len(made)} different system calls, none of them denied by the unit {' '.join(sorted(denied))}".rstrip())
    families = set(re.findall(r"\bsocket\((?:AF|PF)_(\w+)", trace))
    more = families - {family.removeprefix("AF_") for family in unit["RestrictAddressFamilies"][0].split()}
    check(not more, f"sockets of {', '.join(sorted(families))}, none of them denied {' '.join(sorted(more))}".rstrip())
    check(not re.search(r"PROT_WRITE\|PROT_EXEC", trace), "no memory to be written and executed")


def main():
    if os.geteuid() != 0:
        sys.exit("test-systemd: needs root")
    install("systemd-analyze", "systemd")
    install("strace", "strace")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        work, unit = pathlib.Path(folder), settings()
        analyze(work)
        # Its own folder may be closed to others, as /root is.
        model = shutil.copyfile(MODEL, work / os.path.basename(MODEL))
        check_trace(unit, serve(unit, work, str(model)))
    if failures:
        sys.exit(f"test-systemd: {len(failures)} failed")


main()
