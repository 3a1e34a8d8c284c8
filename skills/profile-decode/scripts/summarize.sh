#!/usr/bin/env bash
# summarize.sh NEW [BASE]: the lines that a summary is made of: the head of the report of NEW, how it was made, and the head
# of its comparison with BASE.
set -euo pipefail
[ $# -ge 1 ] && [ $# -le 2 ] || { echo "usage: summarize.sh NEW [BASE]" >&2; exit 2; }
program=${PROFILE_DECODE:-profile-decode}
report=$("$program" report "$1")
sed '/^## /,$d' <<<"$report"
sed -n '/^## How this was made/,/^## Appendix/{/^## Appendix/d;p}' <<<"$report"
if [ $# -eq 2 ]; then
    "$program" diff "$2" "$1" | sed '/^## /,$d'
fi
