#!/usr/bin/env bash
# The shipped binary for a machine: without the mock board and the simulated
# core, stripped, the same bytes from the same sources wherever it is built,
# with the list of what it is made of inside, and tried out (under qemu-user
# where it is for another machine).
#
#   image/cross.sh [aarch64|armv7|x86_64]
#
# Leaves target/cross/callbox-ARCH there, its .sha256, and its .cdx.json: the
# bill of materials (CycloneDX). CROSS_TRY=no leaves the trying out; CROSS_MAP=FILE
# has the linker write a map there: what is how big.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1:-aarch64}
case $arch in
    aarch64) triple=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu flags= ;;
    # libopus wants NEON, which every Pi since the 2 has.
    armv7) triple=armv7-unknown-linux-gnueabihf gnu=arm-linux-gnueabihf flags=-mfpu=neon-vfpv4 ;;
    x86_64) triple=x86_64-unknown-linux-gnu gnu=x86_64-linux-gnu flags= ;;
    *) echo "cross: ARCH is $arch: use aarch64, armv7 or x86_64" >&2; exit 2 ;;
esac
# What an update over a mobile link may weigh, and the C library of Debian 12.
largest=$((12 * 1000 * 1000))
newest=2.36

under=${triple//-/_}
if [[ $(rustc -vV | sed -n 's/^host: //p') != "$triple" ]]; then
    image/toolchain.sh "$arch"
    tools=$PWD/.cache/cross/$arch
    export RUSTC=$tools/rustc
    export "CARGO_TARGET_${under^^}_LINKER=$gnu-gcc"
    export "CC_$under=$gnu-gcc" "CXX_$under=$gnu-g++" "AR_$under=$gnu-ar"
    export PKG_CONFIG_ALLOW_CROSS=1
    export "PKG_CONFIG_SYSROOT_DIR_$under=$tools/sysroot" "PKG_CONFIG_LIBDIR_$under=$tools/sysroot/usr/lib/$gnu/pkgconfig"
fi

# Nothing of this machine's folders, and no time of its own, in the result.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}"
export SOURCE_DATE_EPOCH
home=${CARGO_HOME:-$HOME/.cargo} target=${CARGO_TARGET_DIR:-target}
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
remap="--remap-path-prefix=$PWD=/callbox --remap-path-prefix=$home=/cargo"
remap_c="-ffile-prefix-map=$PWD=/callbox -ffile-prefix-map=$home=/cargo"
# Nor where crates came from: every place that can panic names its file, and
# CMake names it without symbolic links.
cargo fetch --quiet --locked --target "$triple"
for crates in "$home"/registry/src/*; do
    remap+=" --remap-path-prefix=$crates=/crates"
    remap_c+=" -ffile-prefix-map=$crates=/crates -ffile-prefix-map=$(realpath "$crates")=/crates"
done
export "CARGO_TARGET_${under^^}_RUSTFLAGS=$remap"
export "CFLAGS_$under=$flags $remap_c"

# `cargo auditable` would put the path of its wrapper into the hash of every
# symbol; as the wrapper of all crates it does not, and works the same.
export RUSTC_WRAPPER=$PWD/.cache/cargo-tools/bin/cargo-auditable
export CARGO_AUDITABLE_ORIG_ARGS='{"config":[],"offline":false,"locked":true,"frozen":false}'
shipped=(--target "$triple" --no-default-features --features device)
# The last step sees the whole program: what is the same is kept once, and
# relocations are packed, which asks for glibc 2.36. Crates have inlined by
# their own opt-level by then, so across crates only what is as short as a call
# is inlined; functions are packed as tightly as the processor allows; and what
# several have in common becomes a function of its own only where that saves
# more than what unwinding must know of it (some 40 bytes).
llvm=(-inline-threshold=25 -inlinehint-threshold=25 -align-all-functions=2 -outliner-benefit-threshold=48)
cargo rustc --locked --profile dist --bin callbox "${shipped[@]}" -- \
    -C lto=fat "${llvm[@]/#/-Cllvm-args=}" -C link-arg=-B/usr/lib/llvm-19/bin -C link-arg=-fuse-ld=lld \
    -C link-arg=-Wl,--icf=all -C link-arg=-Wl,-z,pack-relative-relocs ${CROSS_MAP:+-C link-arg=-Wl,-Map=$CROSS_MAP}
unset RUSTC_WRAPPER
mkdir -p target/cross
binary=target/cross/callbox-$arch
cp "$target/$triple/dist/callbox" "$binary"
(cd target/cross && sha256sum "callbox-$arch" >"callbox-$arch.sha256")
image/sbom.sh "$arch" "$binary" "${shipped[@]}"

size=$(stat -c %s "$binary")
glibc=$(image/glibc.sh "$binary")
echo "cross: $binary: $size bytes, needs glibc $glibc or newer, sha256 $(cut -d ' ' -f 1 "$binary.sha256")"
((size <= largest)) || { echo "cross: more than $largest bytes" >&2; exit 1; }
[[ $(printf '%s\n' "$glibc" "$newest" | sort -V | tail -n 1) == "$newest" ]] ||
    { echo "cross: Debian 12 has glibc $newest" >&2; exit 1; }
[[ ${CROSS_TRY:-yes} == no ]] || image/smoke.sh "$arch" "$binary"
