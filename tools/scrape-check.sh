#!/usr/bin/env bash
# The tests with the real Prometheus, with two minutes of load instead of seconds:  scrape-check.sh [SECONDS]
# Builds the tests first; `make build` must have made the binary.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/fetch-model.sh >/dev/null
tools/fetch-prometheus.sh >/dev/null
swift build -c release --build-tests
PAGODA_SCRAPE_SECONDS=${1:-120} swift test -c release --skip-build --no-parallel --filter MonitoringTests
