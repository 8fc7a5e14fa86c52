#!/usr/bin/env bash
# Installs the package in a fresh Debian in a folder, uses it, purges it, and
# compares what is there with what was there before. Runs under qemu-user
# where the package is for another machine.
#
#   image/try-deb.sh amd64|arm64|armhf PACKAGE.deb [SUITE]
#
# The fresh Debian is kept in .cache/deb; delete the folder to fetch anew.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1:?amd64, arm64 or armhf} deb=$(realpath "${2:?the package}") suite=${3:-bookworm}
fail() { echo "deb: $*" >&2; exit 1; }
[[ $(id -u) == 0 ]] || fail "a Debian in a folder is for root alone"
case $arch in
    arm64) qemu=qemu-aarch64 ;;
    armhf) qemu=qemu-arm ;;
    *) qemu= ;;
esac
if [[ -n $qemu ]]; then
    # The kernel is told who runs programs of that machine; systemd would have done so.
    known=/proc/sys/fs/binfmt_misc
    [[ -e $known/register ]] || mount -t binfmt_misc binfmt_misc "$known"
    [[ -e $known/$qemu ]] || cat "/usr/lib/binfmt.d/$qemu.conf" >"$known/register"
fi

fresh=.cache/deb/$suite-$arch.tar
if [[ ! -f $fresh ]]; then
    echo "deb: fetching a fresh $suite for $arch"
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')
    sound=libasound2
    [[ $suite == bookworm ]] || sound=libasound2t64
    mkdir -p .cache/deb
    mmdebstrap --quiet --mode=root --architectures="$arch" --variant=apt --include="systemd,man-db,$sound,bash-completion" \
        "$suite" "$fresh.new" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" --format=tar
    mv "$fresh.new" "$fresh"
fi
root=$(mktemp -d)
trap 'mountpoint --quiet "$root/proc" && umount "$root/proc"; rm -rf --one-file-system "$root"' EXIT
tar -xpf "$fresh" -C "$root"
# Without it systemd-tmpfiles makes nothing.
mount -t proc proc "$root/proc"
inside() { chroot "$root" "$@"; }
# Every file, with its rights and contents where they say who is who, but for what installing anything changes.
files() {
    inside find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /root -o -path /tmp -o -path /var/cache -o -path /var/log \
        -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /run/systemd \) -prune -o -printf '%p %M %u %g %l\n' | sort
    grep -v '^gpio:' "$root/etc/group"
    cat "$root/etc/passwd"
}
files >"$root/tmp/before"

cp "$deb" "$root/root/callbox.deb"
inside dpkg --install /root/callbox.deb >"$root/tmp/install.log" 2>&1 || { cat "$root/tmp/install.log"; fail "cannot be installed"; }
inside callbox --version
inside id callbox | grep -q '(audio)' || fail "the user callbox is not in group audio"
inside id callbox | grep -q '(gpio)' || fail "the user callbox is not in group gpio"
[[ $(stat -c '%a %G' "$root/etc/callbox") == "750 "* ]] || fail "/etc/callbox has the wrong mode"
[[ -L $root/etc/systemd/system/multi-user.target.wants/callbox.service ]] || fail "the unit is not enabled"
inside systemd-analyze verify callbox.service callbox-ladder.service callbox-ladder-reset.timer || fail "systemd finds fault with the units"
inside man -w callbox >/dev/null || fail "no man page"
inside bash -c '. /usr/share/bash-completion/completions/callbox && complete -p callbox' >/dev/null || fail "bash cannot complete"
mkdir -m 700 "$root/root/credentials"
image/pretend.sh "$root/root/credentials"
image/pretend.sh "$root/etc/callbox"
for example in door-intercom push-to-call-box headless-field-device; do
    inside env CREDENTIALS_DIRECTORY=/root/credentials callbox check --config "/usr/share/doc/callbox/examples/$example.toml" ||
        fail "the example $example"
done
sed 's/^client-id = .*/client-id = ""/' "$root/usr/share/doc/callbox/examples/door-intercom.toml" >"$root/etc/callbox/callbox.toml"
if inside callbox check >"$root/tmp/check.log" 2>&1; then fail "a spoilt configuration passed"; fi
grep -q client-id "$root/tmp/check.log" || fail "the mistake is not named: $(<"$root/tmp/check.log")"

inside dpkg --remove callbox >/dev/null 2>&1 || fail "cannot be removed"
[[ -e $root/etc/callbox/callbox.toml ]] || fail "removing took the configuration, which only purging may"
inside dpkg --purge callbox >/dev/null 2>&1 || fail "cannot be purged"
files >"$root/tmp/after"
diff "$root/tmp/before" "$root/tmp/after" || fail "purging did not leave what was there before"
echo "deb: $(basename "$deb") installs on $suite ($arch), runs, and goes without a trace but the group gpio"
