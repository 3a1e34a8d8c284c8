#!/usr/bin/env bash
# The step of action.yml: compares $BASE with $NEW, puts the comparison on the job's page, and ends as `diff --gate` does.
set -euo pipefail
read -ra options <<<"${OPTIONS:-}"
if [ -f "$BASE" ] && head -c 4096 "$BASE" | grep -q '"profile-decode/baseline/'; then
    sides=(--baseline "$BASE" -- "$NEW")
else
    sides=(-- "$BASE" "$NEW")
fi
page=${RUNNER_TEMP:-/tmp}/profile-decode-diff.html
code=0
profile-decode diff "${options[@]}" --gate --format json "${sides[@]}" >"$page.json" || code=$?
profile-decode diff "${options[@]}" --format html "${sides[@]}" >"$page" || true
profile-decode diff "${options[@]}" "${sides[@]}" >>"$GITHUB_STEP_SUMMARY" || true
python3 - "$page.json" >>"$GITHUB_OUTPUT" <<'END'
import json, sys
found = json.load(open(sys.argv[1]))
print("verdict=" + str(found.get("verdict", found.get("error", {}).get("kind", "unknown"))))
END
echo "report=$page" >>"$GITHUB_OUTPUT"
exit "$code"
