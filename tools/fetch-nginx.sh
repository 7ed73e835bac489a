#!/usr/bin/env bash
# Unpacks Debian's nginx for the tests of deploy/ingress; nothing is installed, no service is started. Prints the program;
# a second run does nothing. Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/nginx. On another system, put it there by hand.
set -euo pipefail
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/nginx
program=$folder/usr/sbin/nginx
if [ ! -x "$program" ]; then
    if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
        echo "fetch-nginx: no Debian packages here; put nginx at $program" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$folder")"
    work=$(mktemp -d -p "$(dirname "$folder")")
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    # On a fresh machine the list of packages is still missing.
    apt-get download -q nginx >/dev/null 2>&1 || { apt-get update -q && apt-get download -q nginx; } >&2
    dpkg -x nginx_*.deb unpacked
    chmod 755 unpacked
    rm -rf "$folder"
    mv unpacked "$folder"
fi
"$program" -v 2>/dev/null || { echo "fetch-nginx: $program does not run here: $("$program" -v 2>&1)" >&2; exit 1; }
echo "$program"
