#!/usr/bin/env bash
# Makes the OCI image without a container engine:  image.sh [FOLDER], by default .build/image. `make build` must have been run.
#   FOLDER/root                        what is in it
#   FOLDER/pagoda-VERSION.oci.tar      the image: `docker load`, `podman load` and `skopeo copy oci-archive:…` take it
#   FOLDER/pagoda-VERSION.spdx.json    its bill of materials
#   FOLDER/pagoda-VERSION.txt          its contents and sizes, which are printed as well
# The same sources, toolchain and Debian packages give the same image, byte for byte: every date is that of the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONDONTWRITEBYTECODE=1
folder=${1:-.build/image}
dockerfile=deploy/docker/Dockerfile
umoci=$(tools/umoci.sh)
version=$(.build/release/pagoda --version)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
created=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
name=pagoda-$version
mkdir -p "$folder"
work=$(mktemp -d -p "$folder")
trap 'rm -rf "$work"' EXIT

python3 tools/image-root.py --packages "$work/packages.json" "$folder/root"

# Two layers, so that a new version of the program leaves what is below it as it was.
layer() { # NAME TAR-OPTIONS…
    local layer=$work/$1.tar comment=$1
    shift
    tar --create --file "$layer" --directory "$folder/root" --format=posix --sort=name --mtime="@$created" --owner=0 --group=0 \
        --numeric-owner --pax-option=delete=atime,delete=ctime "$@"
    "$umoci" raw add-layer --image "$work/layout:$version" --history.created_by "$comment" "$layer"
}
{
    "$umoci" init --layout "$work/layout"
    "$umoci" new --image "$work/layout:$version"
    layer "Debian's libraries and certificates" --exclude=./usr/bin --exclude=./usr/share/doc/pagoda .
    layer "pagoda $version" ./usr/bin ./usr/share/doc/pagoda
    python3 tools/image-config.py --dockerfile "$dockerfile" --arg "VERSION=$version" --arg "REVISION=$revision" \
        --created "$created" --machine "$(uname -m)" "$work/layout" "$version"
    "$umoci" gc --layout "$work/layout"
} >&2
tar --create --file "$work/$name.oci.tar" --directory "$work/layout" --sort=name --mtime="@$created" --owner=0 --group=0 \
    --numeric-owner --mode=u=rwX,go=rX .
mv "$work/$name.oci.tar" "$folder/$name.oci.tar"
python3 tools/sbom.py --packages "$work/packages.json" --created "$created" "$folder/$name.spdx.json" >&2

{
    echo "$name.oci.tar: $(stat -c %s "$folder/$name.oci.tar") bytes, sha256 $(sha256sum "$folder/$name.oci.tar" | cut -d' ' -f1)"
    echo "unpacked: $(find "$folder/root" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }') bytes in" \
        "$(find "$folder/root" -type f | wc -l) files"
    echo
    echo "mode  bytes     path"
    (cd "$folder/root" && find . -mindepth 1 \( -path ./usr/share/doc -prune -o -printf '%m\t%s\t/%P\t%y\n' \) | sort -t$'\t' -k3 \
        | awk -F'\t' '$4 != "d" || /\/(cache|models|proc|sys|dev)\t/ { printf "%-5s %-9s %s\n", $1, $4 == "d" ? "folder" : $2, $3 }')
    echo "      $(find "$folder/root/usr/share/doc" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%-9s", sum }')" \
        "/usr/share/doc, licences in $(find "$folder/root/usr/share/doc" -type f | wc -l) files"
} | tee "$folder/$name.txt"
