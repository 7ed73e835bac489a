#!/usr/bin/env bash
# Unpacks Debian's umoci, a tool for OCI images that needs no container engine; nothing is installed. Prints its path.
# Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/umoci. Where umoci is in the path, that one is taken.
set -euo pipefail
if command -v umoci; then exit 0; fi
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/umoci
if [ ! -x "$folder/usr/bin/umoci" ]; then
    if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
        echo "umoci: no Debian packages here; install umoci" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$folder")"
    work=$(mktemp -d -p "$(dirname "$folder")")
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    # On a fresh machine the list of packages is still missing.
    apt-get download -q umoci >/dev/null 2>&1 || { apt-get update -q && apt-get download -q umoci; } >&2
    dpkg -x umoci*.deb unpacked
    chmod 755 unpacked
    rm -rf "$folder"
    mv unpacked "$folder"
fi
echo "$folder/usr/bin/umoci"
