#!/usr/bin/env bash
# Prints the folder of llama.cpp's programs, building them first from the source that the PyPI sdist of llama-cpp-python
# carries (8 to 15 minutes on two cores).
#   peer-llama.sh          for this machine's CPU
#   peer-llama.sh avx2     AVX2 at most, to stand beside `pagoda --cpu-features avx2`
# Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/peers/llama.cpp.
set -euo pipefail
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/peers/llama.cpp
case ${1:-native} in
native) build=$folder/build flags=(-DGGML_NATIVE=ON) ;;
avx2) build=$folder/build-avx2 flags=(-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON) ;;
*) echo "peer-llama: unknown kind $1; known are native and avx2" >&2; exit 2 ;;
esac
programs=(llama-batched-bench llama-bench llama-server llama-quantize llama-perplexity)
is_built() { for program in "${programs[@]}"; do [ -x "$build/bin/$program" ] || return 1; done; }
if ! is_built; then
    mkdir -p "$folder"
    if [ ! -x "$folder/venv/bin/ninja" ]; then
        python3 -m venv "$folder/venv"
        "$folder/venv/bin/pip" install --quiet cmake ninja >&2
    fi
    source=$folder/llama_cpp_python-0.3.36/vendor/llama.cpp
    if [ ! -e "$source/CMakeLists.txt" ]; then
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
            -d "$folder" llama-cpp-python==0.3.36 >&2
        tar xzf "$folder"/llama_cpp_python-0.3.36.tar.gz -C "$folder"
    fi
    PATH=$folder/venv/bin:$PATH
    cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "${flags[@]}" -DLLAMA_CURL=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DBUILD_SHARED_LIBS=OFF >&2
    ninja -C "$build" "${programs[@]}" >&2
fi
echo "$build/bin"
