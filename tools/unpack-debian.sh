#!/usr/bin/env bash
# Unpacks Debian packages into a folder of the cache, without installing anything:  unpack-debian.sh FOLDER PACKAGE…
# FOLDER is replaced. Fails, with a sentence for people, where there is no Debian.
set -euo pipefail
folder=$1
shift
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    echo "no Debian packages here; put the programs of $* into $folder by hand" >&2
    exit 1
fi
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d -p "$(dirname "$folder")")
trap 'rm -rf "$work"' EXIT
cd "$work"
# On a fresh machine the list of packages is still missing.
apt-get download -q "$@" >/dev/null 2>&1 || { apt-get update -q && apt-get download -q "$@"; } >&2
for package in *.deb; do dpkg -x "$package" unpacked; done
chmod 755 unpacked
rm -rf "$folder"
mv unpacked "$folder"
