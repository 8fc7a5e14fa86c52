#!/usr/bin/env bash
# Installs the package in a fresh Debian in a folder, uses it, and purges it.
#
#   image/try-deb.sh PACKAGE.deb [SUITE]
set -euo pipefail

deb=$(realpath "${1:?the package}") suite=${2:-bookworm}
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

echo "deb: a fresh $suite to install it in"
# Left as a folder: what is tried must not end with mmdebstrap's own clean-up.
mmdebstrap --quiet --variant=apt --include=systemd,man-db \
    --customize-hook="cp '$deb' \"\$1/root/callbox.deb\"" \
    --customize-hook='chroot "$1" apt-get -qq install --yes --no-install-recommends /root/callbox.deb >"$1/root/install.log" 2>&1 || { cat "$1/root/install.log"; exit 1; }' \
    "$suite" "$root/tree" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >/dev/null

inside() { chroot "$root/tree" "$@"; }
fail() { echo "deb: $*" >&2; exit 1; }
inside callbox --version
inside id callbox | grep -q '(audio)' || fail "the user callbox is not in group audio"
inside id callbox | grep -q '(gpio)' || fail "the user callbox is not in group gpio"
[[ $(stat -c %a "$root/tree/etc/callbox") == 750 ]] || fail "/etc/callbox has the wrong mode"
[[ -L $root/tree/etc/systemd/system/multi-user.target.wants/callbox.service ]] || fail "the unit is not enabled"
inside systemd-analyze verify callbox.service callbox-ladder.service || fail "systemd finds fault with the units"
inside man -w callbox >/dev/null || fail "no man page"
install -m 600 /dev/null "$root/tree/etc/callbox/client-secret"
echo "nothing of worth" >"$root/tree/etc/callbox/client-secret"
mkdir "$root/tree/root/credentials"
cp "$root/tree/etc/callbox/client-secret" "$root/tree/root/credentials/"
for example in door-intercom push-to-call-box headless-field-device; do
    inside env CREDENTIALS_DIRECTORY=/root/credentials callbox check --config "/usr/share/doc/callbox/examples/$example.toml" || fail "the example $example"
done
cp "$root/tree/usr/share/doc/callbox/examples/door-intercom.toml" "$root/tree/etc/callbox/callbox.toml"
sed -i 's/^client-id = .*/client-id = ""/' "$root/tree/etc/callbox/callbox.toml"
if inside callbox check; then fail "a spoilt configuration passed"; fi
inside dpkg --purge callbox >/dev/null 2>&1 || fail "cannot be purged"
rm "$root/tree/etc/callbox/client-secret"
[[ ! -e $root/tree/usr/bin/callbox && ! -e $root/tree/etc/systemd/system/multi-user.target.wants/callbox.service ]] ||
    fail "purging left something behind"
[[ -e $root/tree/etc/callbox/callbox.toml ]] || fail "purging took the owner's configuration"
echo "deb: $(basename "$deb") installs on $suite, runs, and goes without a trace but the configuration"
