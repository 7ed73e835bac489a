#!/usr/bin/env bash
# Runs a command and says how long it took:  stage.sh NAME COMMAND…
set -euo pipefail
name=$1
shift
start=$SECONDS
"$@"
echo "stage: $name: $((SECONDS - start)) s"
