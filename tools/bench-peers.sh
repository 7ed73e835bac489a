#!/usr/bin/env bash
# Measures Pagoda beside llama.cpp, in turn, on the same models, and prints tables for docs/performance.md.
#   bench-peers.sh [--alone] [--http] [MODEL.gguf …]        without a model: the one of tools/fetch-model.sh
#     --alone   without the peer: what this machine does
#     --http    the two servers over HTTP, instead of the programs in process
# Variables:
#   ROUNDS (5)  SEQUENCES ("1 8 32")  THREADS (all cores)
#   SETS                           "native avx2", or "native" where the CPU has nothing above AVX2
#   PEERS_LLAMA, PEERS_LLAMA_AVX2  folders of llama.cpp's programs; by default tools/peer-llama.sh builds them
# llama.cpp runs its best format of the model, Q4_0, made from the file and kept beside it; Pagoda runs the file as it is
# and that one. Only ratios out of one run can be compared: machines differ, and are shared.
set -euo pipefail
cd "$(dirname "$0")/.."
pagoda=$PWD/.build/release/pagoda
rounds=${ROUNDS:-5} sequences=${SEQUENCES:-1 8 32} threads=${THREADS:-$(nproc)}
with_peer=yes mode=process models=()
for argument in "$@"; do
    case $argument in
    --alone) with_peer= ;;
    --http) mode=http ;;
    -*) echo "bench-peers: unknown option $argument; known are --alone and --http" >&2; exit 2 ;;
    *) models+=("$argument") ;;
    esac
done
[ ${#models[@]} -gt 0 ] || models=("$(tools/fetch-model.sh)")
for model in "${models[@]}"; do
    [ -s "$model" ] || { echo "bench-peers: $model is missing or empty" >&2; exit 2; }
done
if [ -n "${SETS:-}" ]; then sets=$SETS; elif grep -q avx512f /proc/cpuinfo; then sets="native avx2"; else sets=native; fi

work=$(mktemp -d)
results=$work/results.tsv
children=()
stop_children() {
    local child
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    for child in "${children[@]}"; do wait "$child" 2>/dev/null || true; done
    children=()
}
trap 'stop_children; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a program quietly, its output in $work/out; shows what it said if it fails. It is waited for rather than called, so
# that a signal to this script ends it as well.
run() {
    "$@" > "$work/out" 2> "$work/log" &
    children+=($!)
    wait $! || { echo "bench-peers: failed: $*" >&2; tail -20 "$work/log" >&2; exit 1; }
    unset 'children[-1]'
}

number() { # KEY FILE: a number out of JSON, which is one object or a list of one
    python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))
print((value[0] if isinstance(value, list) else value)[sys.argv[2]])' "$2" "$1"
}

# record MODEL SET PROGRAM QUANTITY VALUE: one line of the results; bench_table.py makes the tables of them.
record() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >> "$results"; }

peer_folder() {
    case $1 in
    native) echo "${PEERS_LLAMA:-$(tools/peer-llama.sh)}" ;;
    avx2) echo "${PEERS_LLAMA_AVX2:-$(tools/peer-llama.sh avx2)}" ;;
    *) echo "bench-peers: unknown set $1; known are native and avx2" >&2; exit 2 ;;
    esac
}

features() { [ "$1" = native ] || echo "--cpu-features $1"; }

# Makes the Q4_0 form of a model unless it is there; its path is in $best.
make_best() {
    best=$(sed -E 's/[.-](B?F[0-9]+|I?Q[0-9][A-Z0-9_]*)$//' <<< "${1%.gguf}")-Q4_0.gguf
    case $1 in *[.-]Q4_0.gguf) best=$1 ;; esac
    [ ! -s "$best" ] || return 0
    run "$native/llama-quantize" --allow-requantize "$1" "$best.part" Q4_0 "$threads"
    mv "$best.part" "$best"
}

# --- In process ---

pagoda_in_process() { # NAME SET PROGRAM FILE
    local count
    for count in $sequences; do
        # shellcheck disable=SC2046
        run "$pagoda" bench latency "$4" $(features "$2") --threads "$threads" --input-len 128 --output-len 128 \
            --batch-size "$count" --num-iters-warmup 1 --num-iters 1 --output-json "$work/result.json"
        record "$1" "$2" "$3" "decode, $count × 128/128, tokens/s" "$(number median_decode_tokens_per_second "$work/result.json")"
    done
    # shellcheck disable=SC2046
    run "$pagoda" bench latency "$4" $(features "$2") --threads "$threads" --input-len 512 --output-len 1 \
        --batch-size 1 --num-iters-warmup 1 --num-iters 5 --output-json "$work/result.json"
    record "$1" "$2" "$3" "prefill, 512, tokens/s" "$(number median_prefill_tokens_per_second "$work/result.json")"
}

peer_in_process() { # NAME SET PROGRAM FILE
    local folder line
    folder=$(peer_folder "$2")
    run "$folder/llama-batched-bench" -m "$4" -c 16384 -b 2048 -ub 512 -npp 128 -ntg 128 -npl "${sequences// /,}" \
        -t "$threads" --output-format jsonl
    grep '^{' "$work/out" > "$work/lines"
    while read -r line; do
        echo "$line" > "$work/line"
        record "$1" "$2" "$3" "decode, $(number pl "$work/line") × 128/128, tokens/s" "$(number speed_tg "$work/line")"
    done < "$work/lines"
    run "$folder/llama-bench" -m "$4" -p 512 -n 0 -t "$threads" -r 5 -o json
    record "$1" "$2" "$3" "prefill, 512, tokens/s" "$(number avg_ts "$work/out")"
}

# --- Over HTTP ---

serve() { # COMMAND…, which listens on $port; returns when it is healthy
    "$@" > "$work/server.log" 2>&1 &
    children+=($!)
    until curl -sf -o /dev/null "http://127.0.0.1:$port/health"; do
        kill -0 "${children[-1]}" 2>/dev/null || { echo "bench-peers: failed: $*" >&2; tail -20 "$work/server.log" >&2; exit 1; }
        sleep 0.1
    done
}

load() { # NAME SET PROGRAM USERS
    run "$pagoda" bench serve --backend openai --base-url "http://127.0.0.1:$port" --model bench \
        --random-input-len 128 --random-output-len 128 --num-prompts $(($4 * 4)) --max-concurrency "$4" --ignore-eos \
        --seed "$round" --disable-tqdm --save-result --result-dir "$work" --result-filename result.json
    stop_children
    record "$1" "$2" "$3" "$4 at once, output tokens/s" "$(number output_throughput "$work/result.json")"
    record "$1" "$2" "$3" "$4 at once, median TTFT, ms" "$(number median_ttft_ms "$work/result.json")"
    record "$1" "$2" "$3" "$4 at once, P99 TTFT, ms" "$(number p99_ttft_ms "$work/result.json")"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

pagoda_http() { # NAME SET PROGRAM FILE
    local users
    for users in $sequences; do
        port=$(free_port)
        # shellcheck disable=SC2046
        serve "$pagoda" serve "$4" $(features "$2") --threads "$threads" --served-model-name bench --host 127.0.0.1 \
            --port "$port" --max-num-seqs "$users" --max-model-len 512
        load "$1" "$2" "$3" "$users"
    done
}

peer_http() { # NAME SET PROGRAM FILE
    local users folder
    folder=$(peer_folder "$2")
    for users in $sequences; do
        port=$(free_port)
        serve "$folder/llama-server" -m "$4" -a bench -t "$threads" -np "$users" -c $((users * 512)) -b 2048 -ub 512 \
            --host 127.0.0.1 --port "$port" $web_ui
        load "$1" "$2" "$3" "$users"
    done
}

# --- The run ---

native= web_ui=
if [ -n "$with_peer" ]; then
    native=$(peer_folder native)
    for set in native $sets; do
        folder=$(peer_folder "$set")
        for program in llama-batched-bench llama-bench llama-server llama-quantize; do
            [ -x "$folder/$program" ] || { echo "bench-peers: $folder has no $program" >&2; exit 2; }
        done
    done
    if "$native/llama-server" --help 2>/dev/null | grep -q -e --no-webui; then web_ui=--no-webui; fi
fi
echo "$(date -u '+%Y-%m-%d %H:%M UTC'), $(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo), $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "instruction sets: $(grep -m1 ^flags /proc/cpuinfo | tr ' ' '\n' | grep -E '^(avx|fma|f16c|amx|avx512)' | tr '\n' ' ')"
echo "pagoda $("$pagoda" --version) ($(git describe --always --dirty 2>/dev/null || echo unknown))"
[ -z "$with_peer" ] || echo "llama.cpp $("$native/llama-server" --version 2>&1 | sed -n 's/^version: //p') of llama-cpp-python 0.3.36"
for set in $sets; do
    # shellcheck disable=SC2046
    "$pagoda" bench kernels --limits $(features "$set") --threads "$threads" 2> "$work/log" \
        || echo "limits of the machine, $set: not measured"
done
echo "$rounds rounds${with_peer:+ in turn}, $threads threads; medians (least–most)${with_peer:+, ratios of medians}"

for round in $(seq "$rounds"); do
    for model in "${models[@]}"; do
        name=$(basename "$model" .gguf)
        best=
        [ -z "$with_peer" ] || make_best "$model"
        for set in $sets; do
            echo "round $round of $rounds: $name, $set, load $(cut -d' ' -f1 /proc/loadavg)" >&2
            "pagoda_${mode/process/in_process}" "$name" "$set" "Pagoda" "$model"
            [ -n "$with_peer" ] || continue
            "peer_${mode/process/in_process}" "$name" "$set" "llama.cpp Q4_0" "$best"
            [ "$best" = "$model" ] || "pagoda_${mode/process/in_process}" "$name" "$set" "Pagoda Q4_0" "$best"
        done
    done
done
python3 tools/bench_table.py "$results"
