#!/usr/bin/env bash
# Holds a wheel to what it promises: packaging/check.sh WHEEL. Needs readelf and python3, and nothing of Rust.
set -euo pipefail
wheel=$(realpath "$1")
data=$(realpath "$(dirname "$0")/../tests/data/ingest")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# As on a machine without a toolchain.
export PATH=/usr/local/bin:/usr/bin:/bin
fail() { echo "FAILED: $*" >&2; exit 1; }

python3 -m zipfile -e "$wheel" unpacked
library=unpacked/profile_decode/libprofile_decode.so

# Every symbol that must be found has a version, and none is younger than the promised glibc.
promised=$(basename "$wheel" | sed -n 's/.*manylinux_\([0-9]*\)_\([0-9]*\)_.*/\1.\2/p')
for file in unpacked/profile_decode/{libprofile_decode.so,librocprofiler_sdk_simulator.so,decode_server} unpacked/*.data/scripts/profile-decode; do
    free=$(readelf --dyn-syms -W "$file" | awk '$5 == "GLOBAL" && $7 == "UND" && $8 !~ /@/ { print $8 }')
    [ -z "$free" ] || fail "$file wants without a version: $free"
    newest=$(readelf -V -W "$file" | grep -o 'GLIBC_2\.[0-9]*' | sed 's/GLIBC_//' | sort -uV | tail -1)
    [ "$(printf '%s\n' "$newest" "$promised" | sort -V | tail -1)" = "$promised" ] || fail "$file wants GLIBC_$newest"
    needed=$(readelf -d -W "$file" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^(libc|libm|libdl|libpthread|librt|libgcc_s|ld-linux-x86-64)\.so' || true)
    [ -z "$needed" ] || fail "$file needs $needed"
    echo "$(basename "$file"): $(stat -c %s "$file") bytes, GLIBC_$newest"
done

# The library gives its host what the SDK asks for and what it stands in front of, and nothing by accident.
allowed='^(_exit|_Exit|kill|raise|rocprofiler_(configure|configure_attach|set_api_table)|roctx(MarkA|RangePop|RangePushA|RangeStartA|RangeStop)|profile_decode_[a-z_]+)$'
extra=$(readelf --dyn-syms -W "$library" | awk 'NR > 3 && $7 != "UND" && $5 != "LOCAL" { sub(/@.*/, "", $8); print $8 }' | grep -vE "$allowed" || true)
[ -z "$extra" ] || fail "the library exports $extra"
# What stands in for the SDK can never be taken for it.
soname=$(readelf -d -W unpacked/profile_decode/librocprofiler_sdk_simulator.so | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[[ $soname != librocprofiler-sdk.so* ]] || fail "the simulator calls itself $soname"

# No program is another with the library in it.
for host in '/bin/true' '/bin/bash -c exit' 'python3 -c pass'; do
    said=$(LD_PRELOAD=$PWD/$library $host 2>&1) || fail "$host ends otherwise with the library in it"
    [ -z "$said" ] || fail "$host says: $said"
done

# A panic of ours stays ours, with the unwinder that was linked in.
chmod +x unpacked/profile_decode/decode_server
for place in dispatch marker aggregator; do
    PROFILE_DECODE_FAULT=panic:$place PROFILE_DECODE_OUTPUT=$PWD/panic LD_PRELOAD=$PWD/$library \
        unpacked/profile_decode/decode_server --steps 40 >panic.log 2>&1 || fail "a panic ($place) ends the host"
    grep -q panicked panic.log || fail "no panic ($place) was made"
done

# Installed twice: in an environment of its own, and into a folder.
tried() {
    local program=$1 python=$2
    "$program" demo --format json >demo.json
    "$program" report "$data/kineto.json" >report.md
    "$program" skill -o skill 2>skill.log
    printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"check","version":"0"}}}' |
        "$program" mcp --root "$data" | grep -q '"protocolVersion"' || fail "mcp does not answer"
    $python -c "
import json, profile_decode
demo = json.load(open('demo.json'))
assert demo['steps']['count'] == 100, demo['steps']
assert profile_decode.library_path().is_file() and profile_decode.program_path().is_file()
assert profile_decode.report('$data/kineto.json')['schema'] == 'profile-decode/report/1'
try:
    profile_decode.report('/nowhere')
except profile_decode.Error as error:
    assert error.code == 66, error.code
else:
    raise SystemExit('a trace that is not there gives a report')
" || fail "the Python module does not work"
    $python -m profile_decode --version
    rm -rf skill profile-decode-*
}
began=$(date +%s%N)
python3 -m venv environment
environment/bin/pip install --quiet --no-index "$wheel"
environment/bin/profile-decode demo >demo.md
echo "from pip install to a printed report: $((($(date +%s%N) - began) / 1000000)) ms"
grep -q '^## Where the time goes' demo.md || fail 'the demo has no report'
tried environment/bin/profile-decode environment/bin/python
environment/bin/pip install --quiet --no-index --target folder "$wheel"
PYTHONPATH=folder tried folder/bin/profile-decode environment/bin/python
echo 'the wheel keeps what it promises'
