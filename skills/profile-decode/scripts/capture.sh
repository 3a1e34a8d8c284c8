#!/usr/bin/env bash
# capture.sh DIR COMMAND...: runs COMMAND with the tracer inside and leaves captures and report in DIR.
# STEPS and WARMUP choose the window. 200 steps suffice to tell differences of a few per cent; 50 of warm-up let a load
# that has just begun become steady.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: capture.sh DIR COMMAND..." >&2; exit 2; }
directory=$1
shift
exec "${PROFILE_DECODE:-profile-decode}" run --steps "${STEPS:-200}" --warmup "${WARMUP:-50}" -o "$directory" -- "$@"
