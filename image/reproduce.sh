#!/usr/bin/env bash
# Builds what image/cross.sh has built once more, from a clone in another
# folder and with cargo's own folder elsewhere, and compares the bytes.
#
#   image/reproduce.sh [aarch64|armv7|x86_64]
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1:-aarch64}
first=target/cross/callbox-$arch
fail() { echo "reproduce: $*" >&2; exit 1; }
[[ -f $first ]] || fail "there is no $first: make cross ARCH=$arch"
[[ -z $(git status --porcelain) ]] || fail "the clone would lack what is not committed"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet --no-hardlinks . "$work/elsewhere"
cd "$work/elsewhere"
# The same tools and downloads, seen under other names.
ln -s "$OLDPWD/.cache" .cache
mkdir "$work/cargo"
ln -s "${CARGO_HOME:-$HOME/.cargo}"/registry "$work/cargo/"
CARGO_HOME=$work/cargo CROSS_TRY=no image/cross.sh "$arch"
sha256sum "$OLDPWD/$first" "$first"
cmp "$OLDPWD/$first" "$first" || fail "$arch: the second build differs from the first"
echo "reproduce: $arch: two builds in different folders, the same bytes"
