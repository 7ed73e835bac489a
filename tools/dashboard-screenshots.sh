#!/usr/bin/env bash
# Takes pictures of the dashboard under load with Debian's chromium and checks it:  dashboard-screenshots.sh [FOLDER]
# It fails on any error in the browser's console, any request to elsewhere, and any number that /metrics does not show.
# FOLDER is docs/images without an argument. SECONDS_OF_LOAD=60 is quicker and leaves charts half empty.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-docs/images}
seconds=${SECONDS_OF_LOAD:-170}
binary=.build/release/pagoda
port=$((20000 + RANDOM % 20000))

need() { command -v "$1" >/dev/null || packages+=("$2"); }
packages=()
need chromium chromium
need pngquant pngquant
fc-list 2>/dev/null | grep -qi dejavu || packages+=(fonts-dejavu-core fontconfig)
if [ ${#packages[@]} -gt 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi >&2

# A cache too small for what comes, so that there is something to see.
"$binary" serve "$(tools/fetch-model.sh)" --host 127.0.0.1 --port "$port" --max-num-seqs 24 \
    --kv-cache-memory-bytes 120M --max-model-len 2048 2>/dev/null &
server=$!
trap 'kill "$server" "${load[@]}" 2>/dev/null || true' EXIT
load=()
until curl -sf "http://127.0.0.1:$port/health" >/dev/null; do
    kill -0 "$server" || { echo "dashboard-screenshots: the server did not start" >&2; exit 1; }
    sleep 0.1
done

bench() { "$binary" bench serve --port "$port" --disable-tqdm "$@" >/dev/null & load+=($!); }
bench --num-prompts 100000 --random-input-len 120 --random-output-len 160 --random-range-ratio 0.8 \
    --request-rate 1.2 --burstiness 0.5
sleep $((seconds / 3))
bench --num-prompts 100000 --random-input-len 500 --random-output-len 60 --request-rate 0.6 --burstiness 0.3
sleep $((seconds / 3))
bench --num-prompts 100000 --random-input-len 30 --random-output-len 400 --max-concurrency 20
sleep $((seconds / 3))
python3 tools/dashboard_pages.py "http://127.0.0.1:$port" "$folder"

# When nothing runs all numbers stand still, and those of the page must be those of /metrics.
kill "${load[@]}" && wait "${load[@]}" 2>/dev/null || true
until curl -sf "http://127.0.0.1:$port/metrics" | grep -q '^vllm_running_requests 0'; do sleep 0.2; done
sleep 3
idle=$(mktemp -d)
python3 tools/dashboard_pages.py "http://127.0.0.1:$port" "$idle" --idle --only light
rm -rf "$idle"
for picture in "$folder"/dashboard-*.png; do pngquant --force --speed 1 --output "$picture" 96 "$picture"; done
du -bc "$folder"/dashboard-*.png
