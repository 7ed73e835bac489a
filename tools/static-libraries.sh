#!/usr/bin/env bash
# Puts the archives that the binary takes its system libraries from where Package.swift looks for them.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build/static
# archive ARCHIVE PACKAGE: links the archive, installed from Debian's package if it is missing.
archive() {
    local path
    path=$(cc -print-file-name="$1")
    if [ ! -f "$path" ]; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get install -y -q "$2" >&2 || { apt-get update -q >&2 && apt-get install -y -q "$2" >&2; }
            path=$(cc -print-file-name="$1")
        else
            echo "static-libraries: $1 is missing; install $2 (Debian) or what your system calls it" >&2
            exit 1
        fi
    fi
    ln -sf "$(realpath "$path")" ".build/static/$1"
}
archive libz.a zlib1g-dev
archive libcrypt.a libcrypt-dev
