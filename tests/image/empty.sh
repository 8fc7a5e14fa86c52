#!/usr/bin/env bash
# Makes of a slot's root what Debian itself would start of the same packages,
# kernel and initrd: nothing pruned, nothing masked, no callbox. What the
# appliance's start is measured against. A hook of image/slot.sh.
#
#   CALLBOX_SLOT_HOOK=tests/image/empty.sh image/slot.sh virt VERSION BINARY OUT
set -euo pipefail

root=$1
rm -rf "$root"/usr/bin/callbox "$root"/usr/lib/systemd/system/{callbox,systemd-,rauc}*.service{,.d} "$root"/usr/lib/callbox/{data,health,keep,provision} \
    "$root"/etc/systemd/{system,system-preset,network,*.conf.d} "$root"/usr/lib/udev/rules.d/60-callbox.rules "$root"/etc/fstab
tar -xf "$PWD/.cache/image/virt/base.tar" -C "$root" --numeric-owner --skip-old-files --exclude './dev/*' --exclude './usr/share/doc/*' --exclude './usr/share/man/*'
# The test's agent, as on the board itself.
cp image/boards/virt/root/usr/lib/systemd/system/callbox-test.service "$root/usr/lib/systemd/system/"
sed -i 's/ callbox-data.service//' "$root/usr/lib/systemd/system/callbox-test.service"
echo "/dev/vda2 / ext4 rw 0 1" >"$root/etc/fstab"
mkdir -p "$root/etc/systemd/system"
systemctl --root="$root" preset-all 2>/dev/null
systemctl --root="$root" set-default multi-user.target 2>/dev/null
# Not its first start.
touch "$root/etc/.updated"
mkdir -p "$root/var" && touch "$root/var/.updated"
