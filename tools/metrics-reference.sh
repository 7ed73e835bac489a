#!/usr/bin/env bash
# Writes docs/metrics.md from a running server's own exposition:  metrics-reference.sh http://localhost:8000
set -euo pipefail
cd "$(dirname "$0")/.."
{
    echo "# Metrics"
    echo
    echo "What \`GET /metrics\` shows, from the first second on, with no configuration. Made by \`tools/metrics-reference.sh\` from a"
    echo "live scrape. The six \`vllm_…\` names are the product's own promise; the \`vllm:…\` ones have vLLM 0.32's names, labels,"
    echo "buckets and moments; \`pagoda_…\` are ours. \`received = finished + running + waiting\` holds in every scrape:"
    echo "\`pagoda_requests_received_total = Σ vllm:request_success_total + vllm:num_requests_running + vllm:num_requests_waiting\`."
    echo
    echo "| name | type | meaning |"
    echo "|---|---|---|"
    curl -sf "$1/metrics" | awk '
        /^# HELP/ { name = $3; $1 = $2 = $3 = ""; sub(/^ +/, ""); help[name] = $0 }
        /^# TYPE/ { printf "| `%s` | %s | %s |\n", $3, $4, help[$3] }'
} > docs/metrics.md
