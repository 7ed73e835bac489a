#!/usr/bin/env bash
# Unpacks Debian's nginx for the tests of deploy/ingress; nothing is installed, no service is started. Prints the program;
# a second run does nothing. Kept in ${PAGODA_CACHE:-~/.cache/pagoda}/nginx. On another system, put it there by hand.
set -euo pipefail
folder=${PAGODA_CACHE:-$HOME/.cache/pagoda}/nginx
program=$folder/usr/sbin/nginx
[ -x "$program" ] || "$(dirname "$0")/unpack-debian.sh" "$folder" nginx
"$program" -v 2>/dev/null || { echo "fetch-nginx: $program does not run here: $("$program" -v 2>&1)" >&2; exit 1; }
echo "$program"
