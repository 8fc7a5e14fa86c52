#!/usr/bin/env bash
# The Debian package of a binary. Runs the binary once, under qemu-user where it
# is for another machine: it knows the shells' completions.
#
#   image/deb.sh amd64|arm64|armhf BINARY
#
# Leaves target/deb/callbox_VERSION_ARCH.deb there, the same bytes from the same
# binary. BINARY.cdx.json, which image/cross.sh makes, goes in where it is there.
# DEB_MAINTAINER="Name <address>" says who answers for the package.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=${1:?amd64, arm64 or armhf} binary=${2:?the binary}
case $debian in
    amd64) arch=x86_64 ;;
    arm64) arch=aarch64 ;;
    armhf) arch=armv7 ;;
    *) echo "deb: unknown architecture $debian" >&2; exit 2 ;;
esac
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
maintainer=${DEB_MAINTAINER:-callbox <callbox@localhost>}
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}"
export SOURCE_DATE_EPOCH
glibc=$(image/glibc.sh "$binary")

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
umask 022
put() { install -D -m "${3:-644}" "$1" "$root/$2"; }
# pack FILE: what comes in, compressed as Debian wants it.
pack() { mkdir -p "$root/$(dirname "$1")" && gzip -9n >"$root/$1"; }
doc=usr/share/doc/callbox

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
for example in board/examples/*.toml; do put "$example" "$doc/examples/${example##*/}"; done
put README.md "$doc/README.md"
put board/README.md "$doc/board.md"
put docs/configuration.md "$doc/configuration.md"
pack usr/share/man/man1/callbox.1.gz <image/callbox.1
mkdir -p "$root"/usr/share/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
completions() { image/emulate.sh "$arch" "$binary" completions "$1"; }
completions bash >"$root/usr/share/bash-completion/completions/callbox"
completions zsh >"$root/usr/share/zsh/vendor-completions/_callbox"
completions fish >"$root/usr/share/fish/vendor_completions.d/callbox.fish"

# The licence's text, every line as a paragraph of the copyright file.
awk '/^Permission/ { found = 1 } found { print ($0 == "" ? " ." : " " $0) }' LICENSE-MIT >"$root/mit"
sed -e "/^@MIT@\$/{r $root/mit" -e 'd}' image/debian/copyright >"$root/copyright"
put "$root/copyright" "$doc/copyright"
rm "$root/mit" "$root/copyright"
if [[ -f $binary.cdx.json ]]; then
    pack "$doc/callbox.cdx.json.gz" <"$binary.cdx.json"
    image/notices.py "$binary.cdx.json" | pack "$doc/third-party-licences.gz"
fi
pack "$doc/CHANGELOG.md.gz" <CHANGELOG.md
pack "$doc/changelog.gz" <<END
callbox ($version) stable; urgency=medium

  * What changed is in CHANGELOG.md.

 -- $maintainer  $(LC_ALL=C date -R -u -d "@$SOURCE_DATE_EPOCH")
END
put image/debian/lintian-overrides usr/share/lintian/overrides/callbox

mkdir "$root/DEBIAN"
cp image/debian/{postinst,prerm,postrm} "$root/DEBIAN/"
chmod 755 "$root"/DEBIAN/*
cat >"$root/DEBIAN/control" <<END
Package: callbox
Version: $version
Architecture: $debian
Maintainer: $maintainer
Section: comm
Priority: optional
Depends: libasound2 (>= 1.2) | libasound2t64, libc6 (>= $glibc), libgcc-s1, init-system-helpers (>= 1.52), systemd (>= 252)
Recommends: alsa-utils, gpiod, ca-certificates
Installed-Size: $(du -sk --apparent-size "$root" | cut -f 1)
Description: door intercom, push-to-call box or headless field device
 One program for a Linux single-board computer: it reads buttons, lights
 lamps, keeps a session to a voice core, and carries calls between a sound
 card and WebRTC.
END
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' md5sum >DEBIAN/md5sums)
mkdir -p target/deb
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" target/deb >/dev/null
deb=target/deb/callbox_${version}_$debian.deb
echo "deb: $deb: $(stat -c %s "$deb") bytes, sha256 $(sha256sum "$deb" | cut -d ' ' -f 1)"
