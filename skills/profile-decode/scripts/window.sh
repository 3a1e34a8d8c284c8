#!/usr/bin/env bash
# window.sh [STEPS]: orders a window of STEPS decode steps (200) from every running server with the tracer in it, waits until
# it is recorded, and tells where the report is.
set -euo pipefail
program=${PROFILE_DECODE:-profile-decode}
"$program" trigger --all --steps "${1:-200}" --wait
"$program" status
