#!/usr/bin/env bash
# Installs Debian's Open MPI, its headers included, unless it is there.
set -euo pipefail
if command -v mpirun >/dev/null && [ -e "/usr/lib/$(uname -m)-linux-gnu/openmpi/include/mpi.h" ]; then
    exit 0
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends libopenmpi-dev openmpi-bin
