"""Writes the image's bill of materials, SPDX 2.3 as JSON.

    python3 tools/sbom.py --packages FILE [--created SECONDS] OUTPUT.spdx.json

It lists the program; every Swift package that is linked into it, and the sources of others that those carry along, with versions
and licences; Swift's own libraries; the static system libraries; and the Debian packages that the image's files come from (FILE, of
tools/image-root.py). SECONDS since 1970 is the document's date, by default the last commit's, so that the same sources give the
same document.
"""
import argparse, hashlib, json, pathlib, re, subprocess, time
from linked_packages import BUILD, ROOT, linked_packages, program_version, swift_version

# What Debian's packages declare, of those that the image or the build takes files from.
DEBIAN_LICENCES = {
    "libc6": "LGPL-2.1-or-later", "libstdc++6": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1", "gcc-12-base": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "ca-certificates": "GPL-2.0-or-later AND MPL-2.0", "zlib1g-dev": "Zlib", "libcrypt-dev": "LGPL-2.1-or-later",
}
# Linked from archives, see tools/static-libraries.sh.
STATIC = ["zlib1g-dev", "libcrypt-dev"]


def identifier(*parts):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join(parts)).strip("-")


def package(name, version, licence, supplier, location="NOASSERTION", purl=None, kind="LIBRARY", of=""):
    entry = {
        "SPDXID": identifier("Package", of, name) if of else identifier("Package", name), "name": name,
        "supplier": supplier, "downloadLocation": location, "filesAnalyzed": False,
        "licenseConcluded": licence, "licenseDeclared": licence, "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": kind,
    }
    if version:
        entry["versionInfo"] = version
    if purl:
        entry["externalRefs"] = [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]
    return entry


def debian(entry, release):
    name, version = entry["package"], entry["version"]
    escaped = name.replace("+", "%2B"), version.replace("+", "%2B").replace(":", "%3A")
    purl = f"pkg:deb/debian/{escaped[0]}@{escaped[1]}?arch={entry['architecture']}&distro=debian-{release}"
    return package(
        name, version, DEBIAN_LICENCES.get(name, "NOASSERTION"), "Organization: Debian", "NOASSERTION", purl)


def installed(name):
    fields = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}", name],
        capture_output=True, text=True, check=True).stdout.split()
    return dict(zip(["package", "version", "architecture"], fields))


def document(debian_packages, created):
    version, swift = program_version(), swift_version()
    release = re.search(r'^VERSION_ID="?([^"\n]+)', pathlib.Path("/etc/os-release").read_text(), re.M).group(1)
    program = package("pagoda", version, "Apache-2.0", "NOASSERTION", kind="APPLICATION")
    program["checksums"] = [
        {"algorithm": "SHA256", "checksumValue": hashlib.sha256((BUILD / "release/pagoda").read_bytes()).hexdigest()}]
    image = package(f"pagoda-image", version, "NOASSERTION", "NOASSERTION", kind="CONTAINER")
    packages, relations = [image, program], [
        ("SPDXRef-DOCUMENT", "DESCRIBES", image["SPDXID"]), (image["SPDXID"], "CONTAINS", program["SPDXID"])]

    def linked(entry, how="STATIC_LINK", by=program):
        packages.append(entry)
        relations.append((by["SPDXID"], how, entry["SPDXID"]))
        return entry

    for name, one in linked_packages().items():
        location = one["url"].removeprefix("https://")
        entry = linked(package(
            name, one["version"], one["licence"], "NOASSERTION", f"git+{one['url']}@{one['revision']}",
            f"pkg:swift/{location}@{one['version']}"))
        for more in one["carried"]:
            linked(package(more["name"], more["version"], more["licence"], "NOASSERTION", of=name), "CONTAINS", entry)
    linked(package(
        "swift-runtime", swift, "Apache-2.0 WITH Swift-exception", "NOASSERTION", "https://www.swift.org/install/"))
    linked(package("swift-foundation-icu", swift, "Unicode-3.0", "NOASSERTION", "https://www.swift.org/install/"))
    for name in STATIC:
        linked(debian(installed(name), release))
    for entry in debian_packages:
        how = "DYNAMIC_LINK" if entry["package"].startswith("lib") else "CONTAINS"
        linked(debian(entry, release), how, program if how == "DYNAMIC_LINK" else image)

    digest = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"pagoda-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/pagoda-{version}-{digest[:32]}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created)), "creators": ["Tool: pagoda-tools-sbom.py"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": of, "relationshipType": how, "relatedSpdxElement": to} for of, how, to in relations],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", type=pathlib.Path, required=True)
    parser.add_argument("--created", type=int)
    parser.add_argument("output", type=pathlib.Path)
    arguments = parser.parse_args()
    created = arguments.created
    if created is None:
        created = int(subprocess.run(
            ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    bill = document(json.loads(arguments.packages.read_text()), created)
    arguments.output.write_text(json.dumps(bill, indent=1) + "\n")
    print(f"{arguments.output.name}: {len(bill['packages'])} packages")


main()
