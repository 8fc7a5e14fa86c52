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
need=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

has_std() { [[ -d $(rustc --print sysroot)/lib/rustlib/$triple/lib ]]; }
wanted="$(sha256sum "$0" | cut -d ' ' -f 1) $(has_std && echo rustup || echo debian)"
[[ -f $cache/stamp && $(<"$cache/stamp") == "$wanted" ]] && exit 0
rm -rf "$cache"
mkdir -p "$cache"/{apt/lists/partial,apt/archives/partial,debs,rust,sysroot}

# This machine's own Debian suites, under a configuration that also knows the
# target; and for the target the release after Debian 12 too, because not every
# architecture has the newest compiler in Debian 12.
own=$(. /etc/os-release && echo "$VERSION_CODENAME")
later=trixie
apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk -v key="$keyring" -v own="$own" -v later="$later" -v target="$debian" '
        $1 == "Debian" { print "deb [signed-by=" key "]", $2, $3, "main" }
        $1 == "Debian" && $3 == own { print "deb [arch=" target " signed-by=" key "]", $2, later, "main" }' |
    sort -u >"$cache/apt/sources.list"
[[ -s $cache/apt/sources.list ]] || { echo "cross: no Debian among this machine's package sources" >&2; exit 1; }
echo "cross: fetching what building for $arch needs"
if ! private_apt "$cache" "$host" "$debian"; then
    # A mirror may be in the middle of renewing one list, and then apt takes none of that suite. The compiler
    # comes from this machine's own security suite, which therefore is asked for this machine's list alone.
    echo "cross: not all of Debian's package lists could be had; trying without $debian's own security updates" >&2
    sed -i "s|\[\(.*-security main\)|[arch=$host \1|" "$cache/apt/sources.list"
    private_apt "$cache" "$host" "$debian" || echo "cross: still not; going on with what there is" >&2
fi
echo "APT::Default-Release \"/^$own(|-security|-updates)\$/\";" >>"$APT_CONFIG"

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
    version=$(newest $compiler)
    versions() { newest "$std-dev:$debian" && apt-cache madison "$std-dev:$debian" | awk '{ print $3 }'; }
    same=$(versions | awk -v upstream="${version%%+*}+" 'index($1, upstream) == 1 && !found++')
    [[ -n $same && $(printf '%s\n' "$need" "$version" | sort -V | head -n 1) == "$need" ]] || {
        echo "cross: Debian has $compiler $version and $std-dev:$debian $(versions | xargs), and callbox needs" \
            "one version of both, $need or newer; install the target with 'rustup target add $triple'" >&2
        exit 1
    }
    runtime=$(depends "$std-dev" "^$std-[0-9]")
    llvm=$(depends "$runtime" '^libllvm')
    # What LLVM needs beyond every machine's C and C++ libraries.
    mapfile -t below < <(apt-cache depends --recurse --important "$llvm" |
        grep -E '^[a-z]' | grep -vE '^(libc6|libgcc-s1|libstdc\+\+6|gcc-[0-9]+-base|libcrypt1)$|:')
    fetch "$cache/rust" "$compiler" "$std-dev" "$runtime" "${below[@]}" "$std-dev:$debian=$same"
    cat >"$cache/rustc" <<END
#!/bin/sh
rust=\${0%/*}/rust
LD_LIBRARY_PATH=\$rust/usr/lib/$multiarch:\$rust/lib/$multiarch exec "\$rust/usr/bin/rustc" "\$@"
END
fi
chmod +x "$cache/rustc"
asound=$(depends "libasound2-dev:$debian" '^libasound2')
fetch "$cache/sysroot" "libasound2-dev:$debian" "$asound"
rm -rf "$cache/apt" "$cache/debs" "$cache"/{rust,sysroot}/usr/share/doc
echo "$wanted" >"$cache/stamp"
echo "cross: $("$cache/rustc" --version) for $triple"
