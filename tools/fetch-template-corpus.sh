#!/usr/bin/env bash
# Fetches what the template and tokenizer tests read: the chat templates (models/templates/*.jinja) and the vocabularies
# with their expected tokens (models/ggml-vocab-*.gguf, .inp, .out) that llama.cpp's sources carry, by way of the source
# package of llama-cpp-python on PyPI. Prints the folder. Nothing of the package is installed; a second run does nothing.
# Files are kept in ${PAGODA_CACHE:-~/.cache/pagoda}/corpora/llama.cpp.
set -euo pipefail
package=llama-cpp-python==0.3.36
archive=llama_cpp_python-0.3.36
sum=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
corpora=${PAGODA_CACHE:-$HOME/.cache/pagoda}/corpora
corpus=$corpora/llama.cpp
if [ "$(cat "$corpus/.complete" 2>/dev/null)" != "$sum" ]; then
    mkdir -p "$corpora"
    folder=$(mktemp -d -p "$corpora")
    trap 'rm -rf "$folder"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
        -d "$folder" "$package" >&2
    echo "$sum  $folder/$archive.tar.gz" | sha256sum --check --quiet - >&2 || {
        echo "fetch-template-corpus: the source package is damaged; try again" >&2
        exit 1
    }
    tar -xzf "$folder/$archive.tar.gz" -C "$folder" --wildcards --strip-components=4 \
        "$archive/vendor/llama.cpp/models/templates/*" "$archive/vendor/llama.cpp/models/ggml-vocab-*"
    rm "$folder/$archive.tar.gz"
    echo "$sum" > "$folder/.complete"
    chmod 755 "$folder"
    rm -rf "$corpus"
    mv "$folder" "$corpus"
fi
echo "$corpus"
