#!/usr/bin/env bash
# The root file system of a slot: Debian's user space, kernel, initrd and device
# trees, callbox and its configuration of the system, pruned, as one ext4 image
# that is only ever mounted read-only.
#
#   image/slot.sh BOARD VERSION BINARY OUT
set -euo pipefail
cd "$(dirname "$0")/.."

board=$1 version=$2 binary=$3 out=$4
image/fetch.sh "$board"
cache=$PWD/.cache/image/$board
kernel=$(<"$cache/version")
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}"
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir "$root"
tar -xf "$cache/base.tar" -C "$root" --numeric-owner --exclude './dev/*'

# What no box needs.
(
    cd "$root"
    rm -rf usr/share/{doc,man,locale,info,lintian,i18n,common-licenses,sounds,bug,bash-completion,zsh,perl5,gettext,polkit-1,pixmaps,menu,applications,doc-base,initramfs-tools,mime,pam,pam-configs,debianutils,base-files,consolefonts,keymaps,python3,factory} \
        usr/lib/udev/hwdb.d usr/lib/*/gconv usr/lib/*/perl* usr/lib/tmpfiles.d/{etc,home,provision,credstore,x11,legacy,journal-nocow,libselinux1,systemd-nologin,systemd-pstore,20-systemd-*,debian,static-nodes-permissions}.conf usr/lib/udev/rules.d/90-alsa-restore.rules \
        usr/lib/{apt,dpkg,systemd/catalog,systemd/tests,initcpio,kernel,terminfo} usr/include usr/games \
        usr/lib/systemd/system-generators/systemd-{cryptsetup,veritysetup,integritysetup,hibernate-resume,gpt-auto,bless-boot,rc-local,sysv,run,tpm2,import,getty}* \
        usr/lib/systemd/{systemd-homed,systemd-cryptsetup,systemd-bsod,systemd-pcr*,systemd-tpm2*,boot} \
        var/{lib,cache,log,backups}/* etc/{apt,dpkg,init.d,rc*.d,cron*,logrotate.d,default,skel,X11,initramfs-tools,kernel,ld.so.cache,machine-id} \
        usr/bin/perl* boot media mnt srv opt home lost+found
    # Times of day need the zones, but neither leap seconds nor the same again.
    rm -rf usr/share/zoneinfo/{posix,right}
)
# One busybox in the place of forty packages.
for tool in $(qemu-aarch64-static "$root/usr/bin/busybox" --list); do
    [[ -e $root/usr/bin/$tool || -e $root/usr/sbin/$tool ]] || ln -s busybox "$root/usr/bin/$tool"
done
ln -sf busybox "$root/usr/bin/sh"

# Users, as the packages' own scripts would have made them. Nobody has a password.
mkdir -p "$root"/{data,root,boot/firmware,dev,proc,sys,run,tmp}
chmod 1777 "$root/tmp"; chmod 700 "$root/root"
for file in passwd group; do cp "$root/usr/share/base-passwd/$file.master" "$root/etc/$file"; done
sed -i 's/:\*:/:x:/; s|^root:x:0:0:root:/root:.*|root:x:0:0:root:/root:/bin/sh|' "$root/etc/passwd"
install -m 640 /dev/null "$root/etc/shadow"
cut -d : -f 1 "$root/etc/passwd" | sed 's/$/:!*:::::::/' >"$root/etc/shadow"

# callbox as its package has it, then what an image has besides.
put() { install -D -m "${3:-644}" "$1" "$root/$2"; }
put "$binary" usr/bin/callbox 755
for unit in image/callbox*.{service,timer}; do put "$unit" "usr/lib/systemd/system/${unit##*/}"; done
put image/ladder usr/lib/callbox/ladder 755
# Numbers of its own: files on the data partition outlive every update.
sed 's/^g gpio -/g gpio 900/; s/^u callbox -/u callbox 901/' image/sysusers.conf >"$work/sysusers.conf"
put "$work/sysusers.conf" usr/lib/sysusers.d/callbox.conf
put image/udev.rules usr/lib/udev/rules.d/60-callbox.rules
put image/watchdog.conf usr/lib/systemd/system.conf.d/10-callbox-watchdog.conf
for file in board/*.toml board/parts/*.toml; do put "$file" "usr/share/callbox/$file"; done
cp -r image/root/. "$root/"
cp -r "image/boards/$board/root/." "$root/"
chown -R 0:0 "$root/etc" "$root/usr"
mkdir -p "$root"/etc/{callbox,credstore}
cat >"$root/etc/callbox-image" <<END
BOARD=$board
COMPATIBLE=callbox-$board-arm64
VERSION=$version
BUILD=$(cat "$cache/packages" "$binary" image/slot.sh | sha256sum | cut -c 1-16)
END
cp "$cache/packages" "$root/usr/share/callbox/packages"
install -m 644 "${CALLBOX_KEYRING:?the certificate that signs updates}" "$root/etc/rauc/keyring.pem"
sed -i "s/@BOARD@/$board/; s/@VERSION@/$version/" "$root/etc/rauc/system.conf"
: >"$root/etc/machine-id"
# By its own program: older ones do not know every line.
qemu-aarch64-static -L "$root" "$root/usr/bin/systemd-sysusers" --root="$root" 2>"$work/sysusers" || { cat "$work/sysusers" >&2; exit 1; }
chown 0:42 "$root/etc/shadow"
# Every unit that runs is named in a preset of image/root; nothing else does.
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/dbus-*
systemctl --root="$root" preset-all 2>"$work/presets" || { cat "$work/presets" >&2; exit 1; }
systemctl --root="$root" set-default multi-user.target 2>/dev/null
while read -r unit; do systemctl --root="$root" mask "$unit" 2>/dev/null; done < <(sed 's/#.*//; /^ *$/d' image/masked)
qemu-aarch64-static "$root/usr/sbin/ldconfig" -r "$root"
qemu-aarch64-static -L "$root" "$root/usr/bin/rauc-hawkbit-updater" --version >/dev/null
# No time is before this (systemd-timesyncd(8)).
touch -d "@$SOURCE_DATE_EPOCH" "$root/usr/lib/clock-epoch"

# Kernel modules: those of the board's list and what they need.
modules=image/boards/$board/modules
depends() {
    local name
    for name; do
        modprobe --dirname "$cache/kernel" --set-version "$kernel" --show-depends "$name" 2>/dev/null |
            awk '$1 == "insmod" { print $2 }' || echo "image: no module $name in $kernel" >&2
    done
}
target=$root/usr/lib/modules/$kernel
mkdir -p "$target" "$work/initrd"/{bin,dev,proc,sys,run,root,modules}
cp "$cache/kernel/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo} "$target/"
mapfile -t early < <(sed -n 's/^initrd: //p' "$modules" | xargs)
mapfile -t all < <(sed 's/#.*//; s/^initrd://' "$modules" | xargs -n 1)
depends "${all[@]}" | sort -u | while read -r module; do
    install -D -m 644 "$module" "$target/${module##*/modules/"$kernel"/}"
done
depmod -b "$root" "$kernel"

# The initrd: busybox, those modules and forty lines of shell.
number=100
# shellcheck disable=SC2086
while read -r module; do
    plain=$work/initrd/modules/$number-$(basename "$module" | sed 's/\.xz$\|\.zst$//')
    case $module in
        *.xz) xz -dc "$module" >"$plain" ;;
        *.zst) zstd -qdc "$module" >"$plain" ;;
        *) cp "$module" "$plain" ;;
    esac
    number=$((number + 1))
done < <(depends ${early[0]} | awk '!seen[$0]++')
cp "$root/usr/bin/busybox" "$work/initrd/bin/"
install -m 755 image/initrd/init "$work/initrd/init"
mkdir -p "$root/boot"
(cd "$work/initrd" && find . -print0 | sort -z | cpio --quiet --null --reproducible -o -H newc -R 0:0 | gzip -9n) >"$root/boot/initrd"
cp "$cache/kernel/lib/modules/$kernel/vmlinuz" "$root/boot/kernel"
trees=$(find "$cache/kernel/usr/lib" -maxdepth 1 -name 'linux-image-*' | head -n 1)
while read -r tree; do
    install -D -m 644 "$trees/$tree" "$root/boot/dtb/$tree"
done < <(sed 's/#.*//; /^ *$/d' "image/boards/$board/trees")

[[ -z ${CALLBOX_SLOT_HOOK:-} ]] || "$CALLBOX_SLOT_HOOK" "$root"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
# No journal and no room to grow: it is read-only for ever.
kib=$(du -sk --apparent-size "$root" | cut -f 1)
rm -f "$out"
mke2fs -q -t ext4 -d "$root" -L callbox -m 0 -b 4096 -O ^has_journal,^resize_inode,^metadata_csum_seed,^orphan_file \
    -U "$(echo "$version $board" | md5sum | sed 's/\(.\{8\}\)\(....\)\(....\)\(....\)\(.*\)  -/\1-\2-\3-\4-\5/')" \
    -E hash_seed=ca11b0c5-0000-4000-8000-000000000000 "$out" "$((kib * 110 / 100 + 8192))k"
echo "image: slot of $board $version: $((kib / 1024)) MiB of files, kernel $kernel"
