#!/usr/bin/env bash
# Fetches what a throw-away guest is made of into .cache/vm/ARCH, once: Debian's
# backports kernel, which has gpio-sim and snd-aloop, and a small Debian root.
#
#   tests/vm/guest.sh x86_64|aarch64
#
# Leaves kernel, root.cpio.zst and version there. Delete the folder to fetch anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/support/apt.sh

arch=${1:?x86_64 or aarch64}
case $arch in
    x86_64) debian=amd64 flavour=amd64 ;;
    aarch64) debian=arm64 flavour=arm64 ;;
    *) echo "vm: ARCH is $arch: use x86_64 or aarch64" >&2; exit 2 ;;
esac
cache=$PWD/.cache/vm/$arch
suite=trixie

# Kernel modules that the checks use; what they need comes along.
modules=(gpio-sim snd-aloop virtio_pci virtio_net i6300esb softdog sch_netem)
# The guest's user space. Python drives the checks, the tools are what people would compare with; systemd is for the unit.
packages=base-files,busybox-static,kmod,dash,systemd,udev,libc6,libgcc-s1,libasound2t64,libasound2-data,alsa-utils,gpiod,python3-minimal,libpython3-stdlib

stamp=$cache/stamp
wanted=$(sha256sum "$0" | cut -d ' ' -f 1)
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then exit 0; fi
rm -rf "$cache"
mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial" "$cache/debs" "$cache/root"

# Wherever this machine gets its Debian from, under a configuration of its own.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')
[[ -n $mirror ]] || { echo "vm: no Debian among this machine's package sources" >&2; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for name in "$suite" "$suite-backports"; do
    echo "deb [signed-by=$keyring] $mirror $name main"
done >"$cache/apt/sources.list"
echo "vm: fetching a kernel and a root for $arch"
private_apt "$cache" "$debian"

# The newest kernel of backports: image and modules are packages of their own since 7.1.
version=$(apt-cache show "linux-image-$flavour" | sed -n 's/^Depends:.* linux-image-\([^ ]*\) .*/\1/p' | head -n 1)
(cd "$cache/debs" && apt-get -qq download linux-{base,binary,modules}-"$version")
for deb in "$cache"/debs/*.deb; do dpkg-deb -x "$deb" "$cache/kernel-tree"; done
find "$cache/kernel-tree" -type f -name 'vmlinu[xz]*' -exec cp {} "$cache/kernel" \;
[[ -f $cache/kernel ]] || { echo "vm: no kernel image in linux-binary-$version" >&2; exit 1; }
unset APT_CONFIG

# Only unpacked: nothing of the guest runs here, so any architecture will do.
mmdebstrap --quiet --variant=extract --architectures="$debian" --include="$packages" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    "$suite" "$cache/root.tar" "deb [signed-by=$keyring] $mirror $suite main"
tar -xf "$cache/root.tar" -C "$cache/root" --no-same-owner --exclude './dev/*'
(
    cd "$cache/root"
    rm -rf usr/share/{doc,man,locale,info,lintian,i18n,zoneinfo,common-licenses,sounds,bug} var/{lib,cache}/* \
        usr/lib/*/gconv usr/lib/python3*/{idlelib,pydoc_data,lib2to3,unittest,distutils,turtledemo,ensurepip}
    ln -sf busybox bin/sh
)

# The modules that the checks use and what those need, no others.
mkdir -p "$cache/root/usr/lib/modules/$version"
# kmod looks below lib/modules, the packages below usr/lib/modules.
ln -s usr/lib "$cache/kernel-tree/lib"
cp "$cache/kernel-tree/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$cache/root/usr/lib/modules/$version/"
depmod -b "$cache/kernel-tree" "$version"
for name in "${modules[@]}"; do
    modprobe --dirname "$cache/kernel-tree" --set-version "$version" --show-depends "$name" | awk '$1 == "insmod" { print $2 }'
done | sort -u | while read -r module; do
    install -D -m 644 "$module" "$cache/root/usr/lib/modules/$version/${module##*/modules/"$version"/}"
done
depmod -b "$cache/root" "$version"

(cd "$cache/root" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0 | zstd -q -3 -T0 >"$cache/root.cpio.zst")
echo "$version" >"$cache/version"
rm -rf "$cache/debs" "$cache/kernel-tree" "$cache/apt" "$cache/root.tar"
echo "$wanted" >"$stamp"
echo "vm: guest for $arch: linux $version, root $(du -h "$cache/root.cpio.zst" | cut -f 1)"
