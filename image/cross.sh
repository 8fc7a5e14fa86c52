#!/usr/bin/env bash
# The shipped binary for a single-board computer: without the mock board and
# the simulated core, stripped, the same bytes from the same sources wherever
# it is built, and tried out under qemu-user.
#
#   image/cross.sh [aarch64|armv7]
#
# Leaves target/cross/callbox-ARCH and its .sha256 there.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1:-aarch64}
case $arch in
    aarch64) triple=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu flags= ;;
    # libopus wants NEON, which every Pi since the 2 has.
    armv7) triple=armv7-unknown-linux-gnueabihf gnu=arm-linux-gnueabihf flags=-mfpu=neon-vfpv4 ;;
    *) echo "cross: ARCH is $arch: use aarch64 or armv7" >&2; exit 2 ;;
esac
# 12 MB: what an update over a mobile link may weigh.
largest=$((12 * 1000 * 1000))

image/toolchain.sh "$arch"
tools=$PWD/.cache/cross/$arch
under=${triple//-/_}
export RUSTC=$tools/rustc
export "CARGO_TARGET_${under^^}_LINKER=$gnu-gcc"
export "CC_$under=$gnu-gcc" "CXX_$under=$gnu-g++" "AR_$under=$gnu-ar"
export PKG_CONFIG_ALLOW_CROSS=1
export "PKG_CONFIG_SYSROOT_DIR_$under=$tools/sysroot" "PKG_CONFIG_LIBDIR_$under=$tools/sysroot/usr/lib/$gnu/pkgconfig"

# Nothing of this machine's folders, and no time of its own, in the result.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}"
export SOURCE_DATE_EPOCH
home=${CARGO_HOME:-$HOME/.cargo}
export "CARGO_TARGET_${under^^}_RUSTFLAGS=--remap-path-prefix=$PWD=/callbox --remap-path-prefix=$home=/cargo"
export "CFLAGS_$under=$flags -ffile-prefix-map=$PWD=/callbox -ffile-prefix-map=$home=/cargo"

cargo build --locked --profile dist --target "$triple" --no-default-features --features firmware,gpiocdev,rppal,panel
mkdir -p target/cross
binary=target/cross/callbox-$arch
cp "target/$triple/dist/callbox" "$binary"
(cd target/cross && sha256sum "callbox-$arch" >"callbox-$arch.sha256")

size=$(stat -c %s "$binary")
glibc=$("$gnu-objdump" -T "$binary" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -n 1)
echo "cross: $binary: $size bytes, needs ${glibc/_/ } or newer, sha256 $(cut -d ' ' -f 1 "$binary.sha256")"
((size <= largest)) || { echo "cross: more than $largest bytes" >&2; exit 1; }
image/smoke.sh "$arch" "$binary"
