#!/usr/bin/env bash
# Tests the C kernels on this machine and, emulated, on Arm with and without the dot-product extension; all must agree.
# Where AVX-512 has VNNI, those of AVX-VNNI run as well, with the same instruction in AVX-512's encoding.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.build/kernel-test
fixtures=Tests/KernelsTests/Fixtures/Dequantize
# As in Package.swift.
flags=(-std=c11 -O3 -fno-math-errno -ffp-contract=off -Wall -Wextra -Werror)
target=(--target=aarch64-linux-gnu -static -fuse-ld=lld)
mkdir -p "$folder"
rm -f "$folder"/*.log

# The compiler that SwiftPM uses, which lies beside swift; an older clang in the path would not do.
clang=$(command -v clang || true)
if swift=$(command -v swift) && [ -x "$(dirname "$(realpath "$swift")")/clang" ]; then
    clang=$(dirname "$(realpath "$swift")")/clang
fi
if [ -z "$clang" ]; then
    echo "test-arm: no clang; install the Swift toolchain" >&2
    exit 1
fi

links_for_arm() {
    echo 'int main(void) { return 0; }' | "$clang" "${target[@]}" -x c - -o "$folder/probe" 2>/dev/null
}

prepare_arm() {
    if command -v qemu-aarch64-static >/dev/null && links_for_arm; then
        return
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -q >&2
        # The version of gcc's libraries is part of their package's name.
        gcc=$(apt-cache search --names-only '^libgcc-[0-9]+-dev-arm64-cross$' | cut -d ' ' -f 1 | sort -V | tail -n 1)
        apt-get install -y -q --no-install-recommends qemu-user-static libc6-dev-arm64-cross "$gcc" >&2
    fi
    if ! command -v qemu-aarch64-static >/dev/null || ! links_for_arm; then
        echo "test-arm: emulator or C library for Arm missing; install qemu-user-static, libc6-dev-arm64-cross and" \
            "libgcc-12-dev-arm64-cross (Debian's names)" >&2
        exit 1
    fi
}

compile() { # NAME FLAGS…
    local name=$1
    shift
    "$clang" "$@" "${flags[@]}" -I Sources/CKernels/include -I Sources/CKernels \
        Sources/CKernels/*.c tools/kernel-test/*.c -o "$folder/$name" -lm -lpthread
}

failures=0
run() { # NAME COMMAND…
    local name=$1
    shift
    echo "== $name"
    "$@" | tee "$folder/$name.log" || failures=$((failures + 1))
}

compile native
run native "$folder/native" "$fixtures"
if grep -qw avx512_vnni /proc/cpuinfo 2>/dev/null && ! grep -qw avx_vnni /proc/cpuinfo; then
    compile native-avxvnni -DPG_AVXVNNI_AS_AVX512
    run native-avxvnni "$folder/native-avxvnni" "$fixtures"
fi
if [ "$(uname -m)" != aarch64 ]; then
    prepare_arm
    compile arm "${target[@]}"
    run arm-dot-product qemu-aarch64-static -cpu max "$folder/arm" "$fixtures" neon-dot
    run arm-plain qemu-aarch64-static -cpu cortex-a53 "$folder/arm" "$fixtures" portable
    if [ "$(grep -h ^digest "$folder"/{native*,arm-dot-product,arm-plain}.log | sort -u | wc -l)" != 1 ]; then
        echo "test-arm: the machines do not give the same bits" >&2
        failures=$((failures + 1))
    fi
fi
[ "$failures" = 0 ] || { echo "test-arm: $failures runs failed" >&2; exit 1; }
