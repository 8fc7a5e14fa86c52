#!/usr/bin/env bash
# The Debian package of a binary that was built for it. Needs dpkg-deb alone.
#
#   image/deb.sh DEBIAN-ARCH BINARY
#
# Leaves target/deb/callbox_VERSION_ARCH.deb there.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1:?amd64, arm64 or armhf} binary=${2:?the binary}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}"
export SOURCE_DATE_EPOCH
glibc=$(LC_ALL=C objdump -T "$binary" 2>/dev/null | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -n 1 || true)
[[ -n $glibc ]] || glibc=$(grep -aoE 'GLIBC_2\.[0-9]+' "$binary" | sort -uV | tail -n 1)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
put() { install -D -m "${3:-644}" "$1" "$root/$2"; }

put "$binary" usr/bin/callbox 755
for unit in callbox.service callbox-ladder.service callbox-ladder-reset.service callbox-ladder-reset.timer; do
    put "image/$unit" "lib/systemd/system/$unit"
done
put image/ladder usr/lib/callbox/ladder 755
put image/sysusers.conf usr/lib/sysusers.d/callbox.conf
put image/tmpfiles.conf usr/lib/tmpfiles.d/callbox.conf
put image/udev.rules lib/udev/rules.d/60-callbox.rules
put image/watchdog.conf usr/lib/systemd/system.conf.d/10-callbox-watchdog.conf
for board in board/*.toml board/parts/*.toml; do put "$board" "usr/share/callbox/$board"; done
for example in board/examples/*.toml; do put "$example" "usr/share/doc/callbox/examples/${example##*/}"; done
put README.md usr/share/doc/callbox/README.md
put LICENSE usr/share/doc/callbox/copyright
mkdir -p "$root/usr/share/man/man1"
put image/completions/callbox.bash usr/share/bash-completion/completions/callbox
put image/completions/_callbox usr/share/zsh/vendor-completions/_callbox
put image/completions/callbox.fish usr/share/fish/vendor_completions.d/callbox.fish
put docs/configuration.md usr/share/doc/callbox/configuration.md
gzip -9n <image/callbox.1 >"$root/usr/share/man/man1/callbox.1.gz"

mkdir "$root/DEBIAN"
cp image/debian/{postinst,prerm,postrm} "$root/DEBIAN/"
chmod 755 "$root"/DEBIAN/*
cat >"$root/DEBIAN/control" <<END
Package: callbox
Version: $version
Architecture: $arch
Maintainer: callbox <callbox@localhost>
Section: comm
Priority: optional
Depends: libasound2 | libasound2t64, libc6 (>= ${glibc#GLIBC_}), libgcc-s1, init-system-helpers (>= 1.52), systemd (>= 252)
Recommends: alsa-utils, gpiod, ca-certificates
Installed-Size: $(du -sk --apparent-size "$root" | cut -f 1)
Description: door intercom, push-to-call box or headless field device
 One program for a Linux single-board computer: it reads buttons, lights
 lamps, keeps a session to a voice core, and carries calls between a sound
 card and WebRTC.
END
mkdir -p target/deb
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" target/deb >/dev/null
deb=target/deb/callbox_${version}_$arch.deb
echo "deb: $deb: $(stat -c %s "$deb") bytes, sha256 $(sha256sum "$deb" | cut -d ' ' -f 1)"
