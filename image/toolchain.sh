#!/usr/bin/env bash
# A tool chain for another architecture in .cache/cross/ARCH, made of Debian's
# packages and without touching what this machine has installed: Debian's own
# compiler with its standard libraries, and ALSA for the target.
#
#   image/toolchain.sh aarch64|armv7
#
# Leaves rustc (a script) and sysroot/ there; rustc only where rustup has no
# standard library for the target. Delete the folder to fetch anew.
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/support/apt.sh

arch=${1:?aarch64 or armv7}
case $arch in
    aarch64) debian=arm64 triple=aarch64-unknown-linux-gnu ;;
    armv7) debian=armhf triple=armv7-unknown-linux-gnueabihf ;;
    *) echo "cross: ARCH is $arch: use aarch64 or armv7" >&2; exit 2 ;;
esac
cache=$PWD/.cache/cross/$arch
host=$(dpkg --print-architecture)
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

has_std() { [[ -d $(rustc --print sysroot)/lib/rustlib/$triple/lib ]]; }
wanted="$(sha256sum "$0" | cut -d ' ' -f 1) $(has_std && echo rustup || echo debian)"
[[ -f $cache/stamp && $(<"$cache/stamp") == "$wanted" ]] && exit 0
rm -rf "$cache"
mkdir -p "$cache"/{apt/lists/partial,apt/archives/partial,debs,rust,sysroot}

# This machine's own Debian suites, under a configuration that also knows the target.
apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk -v key="$keyring" '$1 == "Debian" { print "deb [signed-by=" key "]", $2, $3, "main" }' |
    sort -u >"$cache/apt/sources.list"
[[ -s $cache/apt/sources.list ]] || { echo "cross: no Debian among this machine's package sources" >&2; exit 1; }
echo "cross: fetching what building for $arch needs"
private_apt "$cache" "$host" "$debian"

# fetch FOLDER PACKAGE...: unpacks packages there.
fetch() {
    local folder=$1
    shift
    rm -f "$cache"/debs/*
    (cd "$cache/debs" && apt-get -qq download "$@")
    local deb
    for deb in "$cache"/debs/*.deb; do dpkg-deb -x "$deb" "$folder"; done
}
# depends PACKAGE PATTERN: the first dependency of that name.
depends() { apt-cache depends --important "$1" | awk -v name="$2" '$1 == "Depends:" && $2 ~ name { print $2; exit }'; }
newest() { apt-cache policy "$1" | awk '$1 == "Candidate:" { print $2 }'; }

if has_std; then
    printf '#!/bin/sh\nexec rustc "$@"\n' >"$cache/rustc"
else
    # Compiler and standard libraries only go together when they are of one version.
    compiler=rustc-web std=libstd-rust-web
    [[ $(newest $compiler) == "$(newest "$std-dev:$debian")" && $(newest $compiler) != "(none)" ]] || {
        echo "cross: Debian has $compiler $(newest $compiler) and $std-dev:$debian $(newest "$std-dev:$debian")," \
            "which do not fit; install the target with 'rustup target add $triple'" >&2
        exit 1
    }
    runtime=$(depends "$std-dev" "^$std-[0-9]")
    llvm=$(depends "$runtime" '^libllvm')
    # What LLVM needs beyond every machine's C and C++ libraries.
    mapfile -t below < <(apt-cache depends --recurse --important "$llvm" |
        grep -E '^[a-z]' | grep -vE '^(libc6|libgcc-s1|libstdc\+\+6|gcc-[0-9]+-base|libcrypt1)$|:')
    fetch "$cache/rust" "$compiler" "$std-dev" "$runtime" "${below[@]}" "$std-dev:$debian"
    cat >"$cache/rustc" <<END
#!/bin/sh
LD_LIBRARY_PATH=$cache/rust/usr/lib/$multiarch:$cache/rust/lib/$multiarch exec $cache/rust/usr/bin/rustc "\$@"
END
fi
chmod +x "$cache/rustc"
asound=$(apt-cache depends --important "libasound2-dev:$debian" | awk '$1 == "Depends:" && $2 ~ /^libasound2/ { print $2; exit }')
fetch "$cache/sysroot" "libasound2-dev:$debian" "$asound"
rm -rf "$cache/apt" "$cache/debs" "$cache"/{rust,sysroot}/usr/share/doc
echo "$wanted" >"$cache/stamp"
echo "cross: $("$cache/rustc" --version) for $triple"
