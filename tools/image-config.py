"""Gives an OCI image the settings that the last stage of a Dockerfile asks for.

    python3 tools/image-config.py --dockerfile FILE --created SECONDS [--arg NAME=VALUE …] LAYOUT TAG
    python3 tools/image-config.py --dockerfile FILE [--arg NAME=VALUE …]         prints the settings as JSON

LAYOUT is a folder as the OCI image specification has it, with the layers already in it. `umoci config` knows no HEALTHCHECK, which
is Docker's addition to that specification; and what one file says need not be said twice. Instructions that an image of ours has no
use for (ONBUILD, SHELL, CMD in words, …) are refused, not ignored.
"""
import argparse, hashlib, json, pathlib, re, shlex, sys, time

# Go's names of machines.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SECOND = 1_000_000_000


def instructions(text):
    """Those of the last stage, as (name, rest)."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    stage = []
    for line in filter(None, map(str.strip, lines)):
        name, _, rest = line.partition(" ")
        stage = [] if name == "FROM" else stage + [(name, rest.strip())]
    return stage


def exec_form(rest):
    if not rest.startswith("["):
        raise ValueError("only a list of words will do, since there is no shell")
    return json.loads(rest)


def pairs(rest):
    return dict(word.split("=", 1) for word in shlex.split(rest))


def duration(text):
    return int(text.removesuffix("s")) * SECOND


def health_check(rest):
    check = {}
    while rest.startswith("--"):
        option, _, rest = rest.partition(" ")
        name, value = option[2:].split("=")
        if name == "retries":
            check["Retries"] = int(value)
        else:
            check[{"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}[name]] = duration(value)
    if not rest.startswith("CMD "):
        raise ValueError("only CMD and a list of words will do")
    return {"Test": ["CMD", *exec_form(rest[4:])], **check}


def settings(text, given):
    config, values = {}, {}
    for name, rest in instructions(text):
        if name != "ARG":
            rest = re.sub(r"\$\{?(\w+)\}?", lambda match: values[match.group(1)], rest)
        try:
            apply(name, rest, config, values, given)
        except ValueError as error:
            sys.exit(f"image-config: {name} {rest}: {error}")
    return config


def apply(name, rest, config, values, given):
    """Does what one instruction says."""
    match name:
        case "ARG":
            argument, _, default = rest.partition("=")
            values[argument] = given.get(argument, default)
        case "ENV":
            config.setdefault("Env", []).extend(f"{key}={value}" for key, value in pairs(rest).items())
        case "LABEL":
            config.setdefault("Labels", {}).update(pairs(rest))
        case "USER":
            config["User"] = rest
        case "WORKDIR":
            config["WorkingDir"] = rest
        case "EXPOSE":
            config.setdefault("ExposedPorts", {})[rest if "/" in rest else rest + "/tcp"] = {}
        case "VOLUME":
            config.setdefault("Volumes", {})[rest] = {}
        case "STOPSIGNAL":
            config["StopSignal"] = rest
        case "ENTRYPOINT":
            config["Entrypoint"] = exec_form(rest)
        case "CMD":
            config["Cmd"] = exec_form(rest)
        case "HEALTHCHECK":
            config["Healthcheck"] = health_check(rest)
        case "COPY":
            pass
        case _:
            raise ValueError("not known here")


class Layout:
    def __init__(self, folder):
        self.folder = folder

    def blob(self, descriptor):
        return json.loads((self.folder / "blobs" / descriptor["digest"].replace(":", "/")).read_text())

    def put(self, descriptor, value):
        """Stores `value`, and has `descriptor` name it."""
        data = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / digest).write_bytes(data)
        descriptor.update(digest="sha256:" + digest, size=len(data))


def configure(layout, tag, config, created, machine):
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
    index = json.loads((layout.folder / "index.json").read_text())
    name = "org.opencontainers.image.ref.name"
    entry, = [entry for entry in index["manifests"] if entry["annotations"][name] == tag]
    manifest = layout.blob(entry)
    image = layout.blob(manifest["config"])
    image.update(config=config, created=moment, architecture=ARCHITECTURES[machine], os="linux")
    for line in image["history"]:
        line["created"] = moment
    layout.put(manifest["config"], image)
    manifest["annotations"] = {
        key: value for key, value in config["Labels"].items() if key.startswith("org.opencontainers.image.")}
    layout.put(entry, manifest)
    # Where the name stands for `docker load`; the tag alone is what the specification has room for.
    entry["annotations"]["io.containerd.image.name"] = f"docker.io/library/pagoda:{tag}"
    (layout.folder / "index.json").write_text(json.dumps(index))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dockerfile", type=pathlib.Path, required=True)
    parser.add_argument("--arg", action="append", default=[])
    parser.add_argument("--created", type=int)
    parser.add_argument("--machine", choices=ARCHITECTURES, default="x86_64")
    parser.add_argument("layout", type=pathlib.Path, nargs="?")
    parser.add_argument("tag", nargs="?")
    arguments = parser.parse_args()
    config = settings(arguments.dockerfile.read_text(), dict(one.split("=", 1) for one in arguments.arg))
    if arguments.layout is None:
        json.dump(config, sys.stdout, indent=1, sort_keys=True)
        print()
    else:
        configure(Layout(arguments.layout), arguments.tag, config, arguments.created, arguments.machine)


main()
