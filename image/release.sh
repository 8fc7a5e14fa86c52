#!/usr/bin/env bash
# What a release hands out, with checksums and one signature over them; and
# the other way round, whether a folder is what the holder of a key handed out.
#
#   CALLBOX_RELEASE_KEY=FILE image/release.sh [ARCH...]
#   image/release.sh verify FOLDER SIGNERS
#
# FILE is an OpenSSH key made once by `ssh-keygen -t ed25519 -f FILE`, or its
# public half where an agent or a security key holds the other. Leaves
# target/handout/callbox-VERSION there; its file release-signers is for
# whoever verifies, and reaches them another way than the folder does.
# What is handed out was built by `make deb ARCH=...`.
set -euo pipefail

fail() { echo "release: $*" >&2; exit 1; }
# Signatures for another purpose, by the same key, are none for this one.
purpose=callbox-release
verify() {
    ssh-keygen -q -Y verify -f "$2" -I callbox -n "$purpose" -s "$1/SHA256SUMS.sig" <"$1/SHA256SUMS" 2>&1 || return 1
    (cd "$1" && sha256sum --quiet --check --strict SHA256SUMS)
}

if [[ ${1:-} == verify ]]; then
    verify "${2:?the folder}" "${3:?the file release-signers}" || fail "$2 is not what its signer handed out"
    echo "release: $2 is what its signer handed out"
    exit 0
fi
cd "$(dirname "$0")/.."

[[ -n ${CALLBOX_RELEASE_KEY:-} ]] || fail "CALLBOX_RELEASE_KEY names no key; ssh-keygen -t ed25519 -f FILE makes one"
[[ $# -gt 0 ]] || set -- aarch64 armv7 x86_64
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
folder=target/handout/callbox-$version
rm -rf "$folder"
mkdir -p "$folder"
for arch; do
    case $arch in
        aarch64) debian=arm64 ;;
        armv7) debian=armhf ;;
        x86_64) debian=amd64 ;;
        *) fail "ARCH is $arch: use aarch64, armv7 or x86_64" ;;
    esac
    for file in target/cross/callbox-"$arch"{,.cdx.json} "target/deb/callbox_${version}_$debian.deb"; do
        [[ -f $file ]] || fail "there is no $file: make deb ARCH=$arch"
        cp -p "$file" "$folder/"
    done
done
(cd "$folder" && sha256sum -- * >SHA256SUMS)
ssh-keygen -q -Y sign -f "$CALLBOX_RELEASE_KEY" -n "$purpose" "$folder/SHA256SUMS"
public=$(if [[ $CALLBOX_RELEASE_KEY == *.pub ]]; then cat "$CALLBOX_RELEASE_KEY"; else ssh-keygen -y -f "$CALLBOX_RELEASE_KEY"; fi)
echo "callbox namespaces=\"$purpose\" ${public% *@*}" >"$folder/release-signers"

# A check that cannot fail is none: the same folder with one byte changed is refused.
verify "$folder" "$folder/release-signers" || fail "the signature just made does not fit"
spoilt=$(mktemp -d)
trap 'rm -rf "$spoilt"' EXIT
cp "$folder"/* "$spoilt/"
printf x >>"$spoilt/callbox-$1"
if verify "$spoilt" "$folder/release-signers" >/dev/null 2>&1; then fail "a changed file passed"; fi
(cd "$spoilt" && sha256sum -- callbox* >SHA256SUMS)
if verify "$spoilt" "$folder/release-signers" >/dev/null 2>&1; then fail "changed checksums passed"; fi
echo "release: $folder, signed and verified; a changed file and changed checksums are refused:"
sed 's/^/release:   /' "$folder/SHA256SUMS"
