#!/usr/bin/env bash
# Fetches what an appliance image is made of, once: Debian's user space, kernel
# and boot loader for a board. Packages are unpacked, never run or configured,
# so that any machine can do it and nothing is mounted.
#
#   image/fetch.sh BOARD
#
# Leaves base.tar, kernel/, boot/ and packages in .cache/image/BOARD. Delete the
# folder to fetch anew.
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/support/apt.sh

board=${1:?a folder of image/boards}
[[ -d image/boards/$board ]] || { echo "image: no board $board in image/boards" >&2; exit 2; }
cache=$PWD/.cache/image/$board
# One release for everything. Its backports have the kernel: 6.12 knows no GPIO
# of a Pi 5, and no gpio-sim, without which the image could not be tested.
suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

wanted=$(cat "$0" image/packages "image/boards/$board"/{packages,firmware} | sha256sum | cut -d ' ' -f 1)
[[ -f $cache/stamp && $(<"$cache/stamp") == "$wanted" ]] && exit 0
rm -rf "$cache"
mkdir -p "$cache"/{apt/lists/partial,apt/archives/partial,debs,kernel/usr/lib,boot}

# Wherever this machine gets its Debian from, under a configuration of its own.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')
[[ -n $mirror ]] || { echo "image: no Debian among this machine's package sources" >&2; exit 1; }
for name in "$suite" "$suite-backports"; do
    echo "deb [signed-by=$keyring] $mirror $name main non-free-firmware"
done >"$cache/apt/sources.list"
echo "image: fetching Debian $suite for $board"
private_apt "$cache" arm64

version=$(apt-cache show linux-image-arm64 | sed -n 's/^Depends:.* linux-image-\([^ ]*\) .*/\1/p' | head -n 1)
names() { sed 's/#.*//' "$@" | xargs; }
mapfile -t firmware < <(names "image/boards/$board/firmware" | tr ' ' '\n' | sed '/^$/d')
(cd "$cache/debs" && apt-get -qq download linux-{base,binary,modules}-"$version" "${firmware[@]}")
# kmod looks below lib/modules, the packages below usr/lib/modules.
ln -s usr/lib "$cache/kernel/lib"
for deb in "$cache"/debs/*.deb; do
    case ${deb##*/} in
        linux-*) dpkg-deb -x "$deb" "$cache/kernel" ;;
        *) dpkg-deb -x "$deb" "$cache/boot" ;;
    esac
done
depmod -b "$cache/kernel" "$version"
echo "$version" >"$cache/version"
unset APT_CONFIG

# The fleet's updater is younger than the release, and was built to go with its libraries; slot.sh tries that.
mkdir -p "$cache/younger/apt/lists/partial" "$cache/younger/apt/archives/partial"
echo "deb [signed-by=$keyring] $mirror forky main" >"$cache/younger/apt/sources.list"
private_apt "$cache/younger" arm64
(cd "$cache/younger" && apt-get -qq download rauc-hawkbit-updater)
unset APT_CONFIG
younger=$(ls "$cache"/younger/*.deb)

include=$(names image/packages "image/boards/$board/packages" | tr ' ' ',')
mmdebstrap --quiet --variant=extract --architectures=arm64 --include="$include" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --format=tar \
    --extract-hook="dpkg-deb -x '$younger' \"\$1\"" \
    --extract-hook="cd \"\$1/var/cache/apt/archives\" && ls *.deb >'$cache/packages'" \
    "$suite" "$cache/base.tar" "deb [signed-by=$keyring] $mirror $suite main non-free-firmware"
(cd "$cache" && ls debs/*.deb younger/*.deb) | sed 's|.*/||' >>"$cache/packages"
rm -rf "$cache/apt" "$cache/debs" "$cache/younger"
echo "$wanted" >"$cache/stamp"
