#!/usr/bin/env bash
# Installs SPDX's own tools from PyPI, to check bills of materials with; prints the program's path.
# Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/spdx.
set -euo pipefail
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/spdx
if [ ! -x "$folder/bin/pyspdxtools" ]; then
    mkdir -p "$(dirname "$folder")"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check 'spdx-tools>=0.8,<0.9' >&2
fi
echo "$folder/bin/pyspdxtools"
