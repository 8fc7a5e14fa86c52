#!/usr/bin/env bash
# Builds the Debian package for a machine, has it judged, and tries it in a
# throw-away Debian, under emulation where it is for another machine.
#
#   image/package.sh [aarch64|armv7|x86_64]
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1:-aarch64}
case $arch in
    aarch64) debian=arm64 ;;
    armv7) debian=armhf ;;
    x86_64) debian=amd64 ;;
    *) echo "deb: ARCH is $arch: use aarch64, armv7 or x86_64" >&2; exit 2 ;;
esac
image/cross.sh "$arch"
image/deb.sh "$debian" "target/cross/callbox-$arch"
deb=$(echo target/deb/callbox_*_"$debian".deb)
lintian --fail-on error,warning --tag-display-limit 0 "$deb"
echo "deb: lintian finds no fault with $deb"
image/try-deb.sh "$debian" "$deb"
