#!/usr/bin/env bash
# Runs a binary that image/cross.sh has built, under qemu-user where it is for
# another machine.
#
#   image/emulate.sh ARCH BINARY ARGUMENTS...
set -euo pipefail

arch=$1
shift
case $arch in
    aarch64) gnu=aarch64-linux-gnu qemu=qemu-aarch64-static ;;
    armv7) gnu=arm-linux-gnueabihf qemu=qemu-arm-static ;;
    x86_64) exec "$@" ;;
    *) echo "emulate: unknown architecture $arch" >&2; exit 2 ;;
esac
sysroot=$(dirname "$0")/../.cache/cross/$arch/sysroot
exec "$qemu" -L "/usr/$gnu" -E "LD_LIBRARY_PATH=$sysroot/usr/lib/$gnu" "$@"
