#!/usr/bin/env bash
# Decode rates of a served model over HTTP:  bench.sh MODEL [URL of another server to measure in turn]
# Prints the machine's memory bandwidth first, which bounds a single stream: a token reads all weights once.
set -euo pipefail
cd "$(dirname "$0")/.."
model=$1 other=${2:-}
grep -m1 'model name' /proc/cpuinfo
python3 - <<'P'
import time
block, best = bytearray(256 << 20), 0
for _ in range(5):
    start = time.perf_counter()
    bytes(block)
    best = max(best, len(block) / (time.perf_counter() - start))
print(f"one thread copies {best / 1e9:.1f} GB/s (reading and writing as much)")
P
log=$(mktemp)
.build/release/pagoda serve "$model" --host 127.0.0.1 --port 18999 2> "$log" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -f "$log"' EXIT
until curl -sf http://127.0.0.1:18999/health; do kill -0 $server || { cat "$log" >&2; exit 1; }; sleep 0.1; done
for streams in 1 8; do
    for round in 1 2 3; do
        echo "pagoda, $(python3 tools/load.py http://127.0.0.1:18999 $streams 1)"
        [ -z "$other" ] || echo "other,  $(python3 tools/load.py "$other" $streams 1)"
    done
done
