#!/usr/bin/env bash
# report.sh DIR: writes DIR.md, DIR.json and DIR.html, of a run directory or a trace. Exits with 3 if fewer than 99 % of the
# decode steps are known to be complete, or more than 5 % of the GPU time is in kernels that no rule knows.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: report.sh DIR" >&2; exit 2; }
program=${PROFILE_DECODE:-profile-decode}
name=${1%/}
"$program" report "$1" --format json -o "$name.json"
"$program" report "$1" --format html -o "$name.html"
"$program" report "$1" --min-complete 99% --max-unknown 5% -o "$name.md"
