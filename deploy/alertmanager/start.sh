#!/usr/bin/env bash
# Starts Alertmanager with the secrets of the folder secrets beside this file:  start.sh [ALERTMANAGER OPTIONS…]
#   smtp-password     of the mail account
#   wecom-api-secret  of the WeCom application
#   webhook-token     bearer token of the generic webhook
# ALERTMANAGER names another program than prometheus-alertmanager.
set -euo pipefail
cd "$(dirname "$0")"
for name in smtp-password wecom-api-secret webhook-token; do
    [ -s "secrets/$name" ] || { echo "start.sh: secrets/$name is missing or empty" >&2; exit 1; }
done
umask 077
secret=$(< secrets/wecom-api-secret)
text=$(< alertmanager.yml)
# In single quotes, YAML reads all but a single quote as it stands.
printf '%s\n' "${text//\'WECOM_API_SECRET\'/"'${secret//\'/\'\'}'"}" > alertmanager.private.yml
exec "${ALERTMANAGER:-prometheus-alertmanager}" --config.file=alertmanager.private.yml "$@"
