#!/usr/bin/env bash
# Installs the official `openai` package for the tests that talk to the server as a Python client would,
# `huggingface_hub` for those of the Hub cache, and OpenTelemetry's protobuf definitions for tools/otlp-check.py.
# Prints the interpreter. Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/python.
set -euo pipefail
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/python
if [ ! -f "$folder/ready-3" ]; then
    mkdir -p "$(dirname "$folder")"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check 'openai>=1,<3' 'huggingface_hub>=1,<3' \
        'opentelemetry-proto>=1.20,<2' >&2
    touch "$folder/ready-3"
fi
echo "$folder/bin/python"
