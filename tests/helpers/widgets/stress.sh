#!/usr/bin/env bash
# Runs a command while other processes keep the processors busy: tests/helpers/widgets/stress.sh COUNT COMMAND...
set -euo pipefail
count=$1
shift
trap 'kill $(jobs -p)' EXIT
for ((i = 0; i < count; i++)); do
    while :; do :; done &
done
"$@"
