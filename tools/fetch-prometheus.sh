#!/usr/bin/env bash
# Unpacks Debian's Prometheus and Alertmanager for the tests of deploy/; nothing is installed, no service is started.
# Prints the folder of prometheus, promtool, prometheus-alertmanager and amtool; a second run does nothing.
# Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/prometheus. On another system, put the same four programs there by hand.
set -euo pipefail
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/prometheus
programs=$folder/usr/bin
if [ ! -x "$programs/promtool" ] || [ ! -x "$programs/amtool" ]; then
    if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
        echo "fetch-prometheus: no Debian packages here; put prometheus, promtool, prometheus-alertmanager, amtool" \
            "in $programs" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$folder")"
    work=$(mktemp -d -p "$(dirname "$folder")")
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    # On a fresh machine the list of packages is still missing.
    apt-get download -q prometheus prometheus-alertmanager >/dev/null 2>&1 \
        || { apt-get update -q && apt-get download -q prometheus prometheus-alertmanager; } >&2
    for package in *.deb; do dpkg -x "$package" unpacked; done
    chmod 755 unpacked
    rm -rf "$folder"
    mv unpacked "$folder"
fi
# Debian's Alertmanager reads its standard templates from this place alone.
templates=usr/share/prometheus/alertmanager
if [ ! -e "/$templates/default.tmpl" ] && [ -d "$folder/$templates" ]; then
    mkdir -p "/$templates" && cp "$folder/$templates"/*.tmpl "/$templates" || {
        echo "fetch-prometheus: as root, copy $folder/$templates/*.tmpl to /$templates" >&2
        exit 1
    }
fi
echo "$programs"
