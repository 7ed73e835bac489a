"""Puts together the root folder of the image: the program, its shared libraries, the certificates of public authorities.

    python3 tools/image-root.py [--packages FILE] FOLDER

Libraries and certificates come out of Debian's packages, which apt-get downloads and nothing installs: so nothing of this machine
gets in, neither certificates that its administrator has added nor a library that has been changed. FILE gets the packages' names,
versions and architectures as JSON, for tools/sbom.py. Needs Debian, the release binary, and nothing beyond Python itself.
"""
import argparse, json, os, pathlib, re, shutil, subprocess, sys, tempfile
from linked_packages import BUILD, ROOT, licence_files, linked_packages

BINARY = BUILD / "release/pagoda"
USER = 65532
FILES = {
    "etc/passwd": f"pagoda:x:{USER}:{USER}:Pagoda:/cache:/nonexistent\n",
    "etc/group": f"pagoda:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
# Where models are mounted; where they are downloaded to; for the kernel's own.
FOLDERS = {"models": 0o755, "cache": 0o1777, "proc": 0o555, "sys": 0o555, "dev": 0o755}


def output(*command, folder=None):
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout


def libraries():
    """The paths by which the binary finds its libraries and its loader."""
    paths = []
    for line in output("ldd", BINARY).splitlines():
        if "not found" in line:
            sys.exit(f"image-root: {line.strip()}")
        match = re.search(r"(?:=> )?(/\S+) \(0x", line)
        if match:
            paths.append(match.group(1))
    return paths


def spellings(path):
    """/lib and /usr/lib are one folder on Debian, and packages name it either way."""
    return [path, path.removeprefix("/usr"), "/usr" + path]


def owner(path):
    for spelling in spellings(path):
        found = subprocess.run(["dpkg", "-S", spelling], capture_output=True, text=True)
        if found.returncode == 0:
            return re.split(r"[:,]", found.stdout)[0]
    sys.exit(f"image-root: {path} belongs to no Debian package")


def unpack(package, folder):
    """Downloads a package and unpacks it into `folder`; what it is."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        command = ["apt-get", "download", "-q", package]
        try:
            output(*command, folder=downloads)
        except subprocess.CalledProcessError:
            # On a fresh machine the list of packages is missing, or names versions that are gone.
            try:
                output("apt-get", "update", "-q")
                output(*command, folder=downloads)
            except subprocess.CalledProcessError as error:
                sys.exit(f"image-root: {package} can't be downloaded: {error.stderr.strip()}")
        file, = pathlib.Path(downloads).glob("*.deb")
        fields = output("dpkg-deb", "-f", file, "Package", "Version", "Architecture", "Homepage")
        output("dpkg", "-x", file, folder)
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in fields.splitlines())}


def inside(folder, path):
    """The file that `path` is among unpacked packages, links followed as if they were the root."""
    for spelling in spellings(path):
        while (folder / spelling[1:]).is_symlink():
            spelling = os.path.normpath(os.path.join(os.path.dirname(spelling), os.readlink(folder / spelling[1:])))
        if (folder / spelling[1:]).is_file():
            return folder / spelling[1:]
    return None


def install(source, target, mode=0o644):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    if not BINARY.exists():
        sys.exit("image-root: run `make build` first")
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        sys.exit("image-root: no Debian packages here; use deploy/docker/Dockerfile")
    os.umask(0o022)
    root = arguments.folder.resolve()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)

    needed = libraries()
    names = sorted({owner(path) for path in needed} | {"ca-certificates"})
    packages = []
    with tempfile.TemporaryDirectory(dir=root.parent) as work:
        unpacked = pathlib.Path(work) / "unpacked"
        for name in names:
            packages.append(unpack(name, unpacked))
            # Some packages' licences stand in another one.
            notes = unpacked / "usr/share/doc" / name
            if notes.is_symlink() and notes.readlink().name not in names:
                names.append(notes.readlink().name)
        for path in needed:
            source = inside(unpacked, path)
            if source is None:
                sys.exit(f"image-root: {path} is in none of {', '.join(names)}")
            install(source, root / path[1:], 0o755)
        for name in names:
            install(unpacked / "usr/share/doc" / name / "copyright", root / "usr/share/doc" / name / "copyright")
        authorities = sorted((unpacked / "usr/share/ca-certificates/mozilla").glob("*.crt"))
        bundle = root / "etc/ssl/certs/ca-certificates.crt"
        bundle.parent.mkdir(parents=True)
        bundle.write_text("".join(file.read_text().strip() + "\n" for file in authorities))

    for path, text in FILES.items():
        (root / path).write_text(text)
    for path, mode in FOLDERS.items():
        (root / path).mkdir()
        (root / path).chmod(mode)
    install(BINARY, root / "usr/bin/pagoda", 0o755)
    licences = root / "usr/share/doc/pagoda"
    install(ROOT / "LICENSE", licences / "LICENSE")
    for name, package in linked_packages().items():
        for file in licence_files(package["folder"]):
            install(file, licences / name / file.name)
    if arguments.packages:
        arguments.packages.write_text(json.dumps(packages, indent=1) + "\n")


main()
