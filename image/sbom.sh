#!/usr/bin/env bash
# The bill of materials (CycloneDX, JSON) of a binary that image/cross.sh has
# built, with every crate's licence and checksum, and whether it names what
# the binary says of itself.
#
#   image/sbom.sh ARCH BINARY --target TRIPLE FEATURES...
#
# Leaves BINARY.cdx.json there.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=$1 binary=$2
shift 2
tools=$PWD/.cache/cargo-tools/bin
names() { jq -r "$1"' | "\(.name) \(.version)"' "$2" | sort -u; }

# It writes beside Cargo.toml and nowhere else.
"$tools/cargo-cyclonedx" cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps \
    --override-filename "callbox-$arch.cdx" "$@"
mv "callbox-$arch.cdx.json" "$binary.cdx.json"

inside=$(mktemp)
trap 'rm -f "$inside"' EXIT
"$tools/rust-audit-info" "$binary" >"$inside"
lacks=$(comm -23 <(names '.packages[] | select(.kind != "build" and .root != true)' "$inside") \
    <(names '.components[]' "$binary.cdx.json"))
[[ -z $lacks ]] || { echo "cross: in the binary but not in its bill of materials: ${lacks//$'\n'/, }" >&2; exit 1; }
echo "cross: $binary.cdx.json: $(jq '.components | length' "$binary.cdx.json") crates; the binary itself names" \
    "$(jq '[.packages[] | select(.kind != "build")] | length' "$inside"), callbox among them"
