#!/usr/bin/env bash
# compare.sh BASE NEW: writes diff.md, diff.json and diff.html to the current directory and the verdict to stderr. Exits with
# 0 not regressed, 1 regressed, 3 not comparable.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: compare.sh BASE NEW" >&2; exit 2; }
program=${PROFILE_DECODE:-profile-decode}
"$program" diff "$1" "$2" --format json -o diff.json 2>/dev/null
"$program" diff "$1" "$2" --format html -o diff.html 2>/dev/null
exec "$program" diff "$1" "$2" --gate -o diff.md
