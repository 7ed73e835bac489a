#!/usr/bin/env bash
# Unpacks Debian's Prometheus and Alertmanager for the tests of deploy/; nothing is installed, no service is started.
# Prints the folder of prometheus, promtool, prometheus-alertmanager and amtool; a second run does nothing.
# Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/prometheus. On another system, put the same four programs there by hand.
set -euo pipefail
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/prometheus
programs=$folder/usr/bin
if [ ! -x "$programs/promtool" ] || [ ! -x "$programs/amtool" ]; then
    "$(dirname "$0")/unpack-debian.sh" "$folder" prometheus prometheus-alertmanager
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
