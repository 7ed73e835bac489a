#!/usr/bin/env bash
# Unpacks Debian's umoci, a tool for OCI images that needs no container engine; nothing is installed. Prints its path.
# Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/umoci. Where umoci is in the path, that one is taken.
set -euo pipefail
if command -v umoci; then exit 0; fi
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/umoci
[ -x "$folder/usr/bin/umoci" ] || "$(dirname "$0")/unpack-debian.sh" "$folder" umoci
echo "$folder/usr/bin/umoci"
