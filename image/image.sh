#!/usr/bin/env bash
# The appliance image for a board and the bundle that updates a box to it.
# Needs root for the owners of files, mounts nothing.
#
#   image/image.sh [BOARD] [VERSION]        rpi, or virt for QEMU -M virt
#
# CALLBOX_BINARY    the aarch64 binary (default: of `make cross`)
# CALLBOX_KEYS      a folder with keyring.pem, and signing.pem and signing.key to
#                   make a bundle (default: test keys, made in .cache/image/keys)
# Leaves callbox-BOARD-VERSION.img.xz, .raucb and sha256sums in target/image/BOARD.
set -euo pipefail
cd "$(dirname "$0")/.."

board=${1:-rpi}
version=${2:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
binary=${CALLBOX_BINARY:-target/cross/callbox-aarch64}
keys=${CALLBOX_KEYS:-.cache/image/keys}
[[ $(id -u) -eq 0 ]] || { echo "image: files in an image have owners: run as root, or under fakeroot" >&2; exit 1; }
[[ -f $binary ]] || { echo "image: there is no $binary: run 'make cross'" >&2; exit 1; }
if [[ -z ${CALLBOX_KEYS:-} ]]; then
    image/keys.sh test "$keys"
    echo "image: signed with test keys that anybody can make: set CALLBOX_KEYS for boxes that leave the house"
fi
export CALLBOX_KEYRING=$keys/keyring.pem
image/fetch.sh "$board"
cache=$PWD/.cache/image/$board
out=target/image/$board
name=callbox-$board-$version
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=/dev/null
source "image/boards/$board/board"
kernel_trees=$(find "$cache/kernel/usr/lib" -maxdepth 1 -name 'linux-image-*' | head -n 1)

image/slot.sh "$board" "$version" "$binary" "$work/slot.ext4"
slot_bytes=$((352 * 1024 * 1024))
(($(stat -c %s "$work/slot.ext4") <= slot_bytes)) || { echo "image: the slot is larger than its partition" >&2; exit 1; }

if [[ -f $keys/signing.key ]]; then
    mkdir "$work/bundle"
    ln "$work/slot.ext4" "$work/bundle/rootfs.img"
    cat >"$work/bundle/manifest.raucm" <<END
[update]
compatible=callbox-$board-arm64
version=$version

[bundle]
format=plain

[image.rootfs]
filename=rootfs.img
END
    rm -f "$out/$name.raucb"
    rauc bundle --cert="$keys/signing.pem" --key="$keys/signing.key" --mksquashfs-args="-comp zstd -Xcompression-level ${CALLBOX_COMPRESSION:-19}" \
        "$work/bundle" "$out/$name.raucb" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    echo "image: $out/$name.raucb: $(stat -c %s "$out/$name.raucb") bytes"
fi
if [[ -n ${CALLBOX_BUNDLE_ONLY:-} ]]; then exit 0; fi

# The boot partition: what the board starts from, the script, nothing that an update changes.
mkdir "$work/fat"
firmware "$work/fat" "$cache/boot"
sed "s|@LOAD_TREE@|$LOAD_TREE|; s|@APPEND@|$APPEND|; s|@TREE@|$TREE|g; s|@KERNEL@|$KERNEL|g; s|@INITRD@|$INITRD|g; s|@ENV@|$ENV|g" image/boot.cmd >"$work/boot.cmd"
mkimage -A arm64 -T script -C none -n "callbox slots" -d "$work/boot.cmd" "$work/fat/boot.scr" >/dev/null
cp image/callbox-setup.example.toml "$work/fat/"
mkfs.vfat -C -F 32 -n CALLBOX -i CA11B0C5 "$work/boot.vfat" 65536 >/dev/null
mcopy -s -i "$work/boot.vfat" "$work"/fat/* ::
printf 'BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\n' | mkenvimage -s 512 -o "$work/env.bin" -
# Grows to the card at the first start.
mke2fs -q -t ext4 -b 4096 -L callbox-data -U ca11b0c5-0000-4000-8000-000000000004 -E resize=16777216,lazy_itable_init=0 -m 1 "$work/data.ext4" 64M
cat >"$work/genimage.cfg" <<'END'
image disk.img {
    hdimage {
        disk-signature = 0xca11b0c5
        align = 1M
    }
    # In the gap: the boot loader's variables at 1 MiB; the last good configuration from 2 to 4 MiB.
    partition env { image = "env.bin" offset = 1M in-partition-table = false }
    partition boot { image = "boot.vfat" offset = 4M partition-type = 0x0c bootable = true }
    partition slot-a { image = "slot.ext4" size = 352M partition-type = 0x83 }
    partition slot-b { size = 352M partition-type = 0x83 }
    partition data { image = "data.ext4" partition-type = 0x83 }
}
END
mkdir "$work/tmp" "$work/root"
genimage --config "$work/genimage.cfg" --inputpath "$work" --outputpath "$work" --rootpath "$work/root" --tmppath "$work/tmp" \
    >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
cp --sparse=always "$work/disk.img" "$out/$name.img"
# Tests change it and bundle it again.
[[ $board != virt ]] || cp --sparse=always "$work/slot.ext4" "$out/$name.ext4"
if [[ -z ${CALLBOX_NO_XZ:-} ]]; then
    xz -T0 -6 -k -f "$out/$name.img"
    echo "image: $out/$name.img.xz: $(stat -c %s "$out/$name.img.xz") bytes"
fi
[[ ! -d $cache/boot/usr/lib/u-boot/qemu_arm64 ]] || cp "$cache/boot/usr/lib/u-boot/qemu_arm64/u-boot.bin" "$out/"
(cd "$out" && sha256sum "$name".* >sha256sums)
