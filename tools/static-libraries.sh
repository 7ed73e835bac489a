#!/usr/bin/env bash
# Puts the archives that the binary takes its system libraries from where Package.swift looks for them.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build/static
archive=$(cc -print-file-name=libz.a)
if [ ! -f "$archive" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get install -y -q zlib1g-dev >&2 || { apt-get update -q >&2 && apt-get install -y -q zlib1g-dev >&2; }
        archive=$(cc -print-file-name=libz.a)
    else
        echo "static-libraries: zlib's archive is missing; install zlib1g-dev (Debian) or zlib-static" >&2
        exit 1
    fi
fi
ln -sf "$(realpath "$archive")" .build/static/libz.a
