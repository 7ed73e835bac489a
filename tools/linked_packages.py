"""What the release binary is made of beside our own sources: for tools/sbom.py and tools/image-root.py.

Goes by what the build left behind: the list of objects that were linked, the packages' checkouts and the versions in
Package.resolved. So a package that is resolved but not linked is not in it, and one that is linked can't be missing.
"""
import json, pathlib, re, subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
OBJECTS = BUILD / "release/pagoda.product/Objects.LinkFileList"

# Sources of others that packages carry along: in which of their modules, what it is, where its version stands, its licence.
BORINGSSL = ("BoringSSL", "hash.txt", r"revision ([0-9a-f]{40})", "Apache-2.0 AND ISC AND MIT")
CARRIED = {
    "CNIOBoringSSL": BORINGSSL,
    "CCryptoBoringSSL": BORINGSSL,
    "CNIOLLHTTP": ("llhttp", "include/c_nio_llhttp.h", r"VERSION_MAJOR (\d+)|VERSION_MINOR (\d+)|VERSION_PATCH (\d+)", "MIT"),
    "CXKCP": ("XKCP", "vendored-sources.txt", r"from XKCP#\S+ \(([^)]+)\)", "CC0-1.0"),
    "CYaml": ("libyaml", None, None, "MIT"),
}


class Unknown(Exception):
    pass


def modules():
    """The names of the linked modules that are not ours."""
    if not OBJECTS.exists():
        raise Unknown(f"{OBJECTS} is missing: run `make build`")
    found = set(re.findall(r"/([^/\s]+)\.build/", OBJECTS.read_text()))
    ours = {folder.name for folder in (ROOT / "Sources").iterdir()}
    return sorted(found - ours)


def package_of(module, checkouts):
    """The folder of the package that declares a module."""
    target = re.compile(r"[tT]arget\(\s*(?:kind:\s*\.\w+,\s*)?name:\s*\"" + re.escape(module) + '"')
    declaring = [
        folder for folder in checkouts
        if any(target.search(manifest.read_text()) for manifest in folder.glob("Package*.swift"))
    ] or [folder for folder in checkouts if (folder / "Sources" / module).is_dir()]
    if len(declaring) != 1:
        raise Unknown(f"{module}: declared by {[folder.name for folder in declaring] or 'no package'}")
    return declaring[0]


def licence_files(folder):
    return sorted(path for path in folder.iterdir() if re.match(r"(LICENSE|NOTICE)", path.name))


def licence(folder):
    """The SPDX expression of a package's licence, by the text that comes with it."""
    text = "\n".join(path.read_text() for path in licence_files(folder) if path.name.startswith("LICENSE"))
    if "Apache License" in text:
        return "Apache-2.0 WITH Swift-exception" if "Runtime Library Exception" in text else "Apache-2.0"
    if "Permission is hereby granted, free of charge" in text:
        return "MIT"
    raise Unknown(f"{folder.name}: a licence that tools/linked_packages.py does not know")


def carried(module, folder):
    """What a module carries along; None: nothing that is known."""
    if module not in CARRIED:
        return None
    name, file, pattern, expression = CARRIED[module]
    version = None
    if file:
        text = (folder / "Sources" / module / file).read_text()
        version = ".".join(next(filter(None, match.groups())) for match in re.finditer(pattern, text))
        if not version:
            raise Unknown(f"{module}: no version of {name} in {file}")
    return {"name": name, "version": version, "licence": expression}


def linked_packages():
    """By name: `version`, `revision`, `url`, `licence`, `folder` and what is `carried` along."""
    pins = {pin["identity"]: pin for pin in json.loads((ROOT / "Package.resolved").read_text())["pins"]}
    checkouts = sorted((BUILD / "checkouts").iterdir())
    packages = {}
    for module in modules():
        folder = package_of(module, checkouts)
        pin = pins[folder.name.lower()]
        package = packages.setdefault(folder.name, {
            "version": pin["state"]["version"], "revision": pin["state"]["revision"],
            "url": pin["location"].removesuffix(".git"), "licence": licence(folder), "folder": folder, "carried": [],
        })
        more = carried(module, folder)
        if more:
            package["carried"].append(more)
    return packages


def swift_version():
    """Of the toolchain, whose libraries are in the binary."""
    text = subprocess.run(["swift", "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"Swift version (\S+)", text).group(1)


def program_version():
    return subprocess.run([BUILD / "release/pagoda", "--version"], capture_output=True, text=True, check=True).stdout.strip()
