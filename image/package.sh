#!/usr/bin/env bash
# Builds the Debian package for a machine, and tries it where it can be tried:
# this machine's own architecture, in a throw-away Debian.
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
if [[ $arch == x86_64 ]]; then
    cargo build --locked --profile dist --no-default-features --features firmware,gpiocdev,rppal,panel
    binary=target/dist/callbox
else
    image/cross.sh "$arch"
    binary=target/cross/callbox-$arch
fi
image/deb.sh "$debian" "$binary"
if [[ $debian == "$(dpkg --print-architecture)" ]]; then
    image/try-deb.sh target/deb/callbox_*_"$debian".deb
else
    echo "deb: not installed here: it is for $debian"
fi
