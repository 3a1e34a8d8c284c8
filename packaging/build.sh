#!/usr/bin/env bash
# Makes the wheel, from a clean clone: packaging/build.sh [DIRECTORY], which is target/packaging/dist if none is named.
#
# Program and library come out of one build of cargo, by zig's linker for a glibc of 2018 (RHEL 8, Ubuntu 20.04 and all that
# is newer). They are stripped; what they lose lies in target/packaging/debug. `wheel pack` only puts the parts together:
#
#   profile_decode-VERSION.data/scripts/profile-decode     the program, on PATH
#   profile_decode/*.py                                    where things are, and reports as dicts
#   profile_decode/libprofile_decode.so                    the tracer
#   profile_decode/{decode_server,librocprofiler_sdk_simulator.so}      what `profile-decode demo` runs
#
# Then packaging/check.sh holds the wheel to what it promises.
set -euo pipefail
cd "$(dirname "$0")/.."
glibc=2.28
triple=$(rustc -vV | sed -n 's/^host: //p')
work=$PWD/target/packaging
out=${1:-$work/dist}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet -r packaging/tools.txt
PATH=$work/venv/bin:$PATH cargo-zigbuild zigbuild --locked --release --target "$triple.$glibc" --workspace --lib --bins --examples

built=target/$triple/release
root=$work/profile_decode-$version
rm -rf "$root" "$work/debug"
mkdir -p "$root/profile_decode" "$root/profile_decode-$version.data/scripts" "$root/profile_decode-$version.dist-info" "$work/debug" "$out"
cp packaging/python/profile_decode/* "$root/profile_decode/"
put() {
    objcopy --only-keep-debug "$1" "$work/debug/$(basename "$1").debug"
    objcopy --strip-all --add-gnu-debuglink="$work/debug/$(basename "$1").debug" "$1" "$2/$(basename "$1")"
}
put "$built/profile-decode" "$root/profile_decode-$version.data/scripts"
put "$built/libprofile_decode.so" "$root/profile_decode"
put "$built/examples/decode_server" "$root/profile_decode"
simulator=$(ls "$built"/librocprofiler_sdk_simulator.so "$built"/deps/librocprofiler_sdk_simulator.so 2>/dev/null | head -1)
put "$simulator" "$root/profile_decode"

info=$root/profile_decode-$version.dist-info
cp LICENSE "$info/"
machine=${triple%%-*}
cat >"$info/WHEEL" <<END
Wheel-Version: 1.0
Generator: packaging/build.sh
Root-Is-Purelib: false
Tag: py3-none-manylinux_${glibc/./_}_$machine
END
{
    cat <<END
Metadata-Version: 2.1
Name: profile-decode
Version: $version
Summary: Where the decode time of an LLM server on AMD Instinct GPUs goes
License: MIT
Requires-Python: >=3.9
Provides-Extra: pandas
Requires-Dist: pandas; extra == "pandas"
Description-Content-Type: text/markdown

END
    cat README.md
} >"$info/METADATA"
"$work/venv/bin/wheel" pack --dest-dir "$out" "$root"
