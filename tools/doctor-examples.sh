#!/usr/bin/env bash
# What `pagoda doctor` says in the three situations of docs/operations.md, provoked on a real server.
# Takes two minutes. `make build` must have made the binary. Numbers differ from machine to machine.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${PAGODA:-.build/release/pagoda}
model=$(tools/fetch-model.sh)
port=$((10000 + RANDOM % 20000))
processes=()
trap 'finish' EXIT

finish() {
    [ ${#processes[@]} -eq 0 ] || { kill "${processes[@]}" && wait "${processes[@]}"; } 2>/dev/null || true
    processes=()
}

serve() {
    echo "## pagoda serve MODEL $*"
    "$binary" serve "$model" --host 127.0.0.1 --port "$port" "$@" 2>/dev/null & processes+=($!)
    until curl -sf "http://127.0.0.1:$port/health" >/dev/null; do
        kill -0 "${processes[0]}" || { echo "doctor-examples: the server did not start" >&2; exit 1; }
        sleep 0.1
    done
}

bench() {
    echo "## pagoda bench serve $*"
    "$binary" bench serve --port "$port" --disable-tqdm --num-prompts 100000 "$@" >/dev/null 2>&1 & processes+=($!)
}

doctor() {
    sleep "$1"
    "$binary" doctor "http://127.0.0.1:$port" --interval 10
    finish
}

# Answers come late: more is asked than the KV cache holds.
serve --kv-cache-memory-bytes 120M --max-model-len 2048
bench --request-rate 6 --random-input-len 120 --random-output-len 160
doctor 25

# A chat stutters beside a batch job with long prompts, where nothing bounds what these take of a step.
serve --max-model-len 8192 --max-num-batched-tokens 512 --max-decode-slowdown 0
bench --max-concurrency 2 --random-input-len 30 --random-output-len 400
bench --max-concurrency 1 --random-input-len 4000 --random-output-len 1
doctor 10

# Nothing waits, nothing fails, and yet each stream is slow.
serve --max-model-len 2048
bench --max-concurrency 32 --random-input-len 30 --random-output-len 400
doctor 10
