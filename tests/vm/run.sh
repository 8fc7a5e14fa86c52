#!/usr/bin/env bash
# The real binary in a throw-away guest with the kernel's own GPIO and sound:
# boots it in QEMU, runs the checks of tests/vm/guest and prints their table.
# Buttons and lamps have a boot of their own, on a processor that counts, and so
# has the unit, with systemd as first process.
#
#   tests/vm/run.sh                    x86_64 with target/release/callbox
#   tests/vm/run.sh aarch64            with the binary of `make cross`
#   VM_CHECKS="lines sound" tests/vm/run.sh   only these
#   VM_BINARY=path, VM_CORE_BINARY=path       other binaries for the guest, and for the voice core here
#   VM_PRESSES=200 VM_TRACES=1000 VM_SEED=n   for the check `lines`
#   VM_MINUTES=30                             for the check `long`
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=${1:-x86_64}
checks=${VM_CHECKS:-}
case $arch in
    x86_64) debian=amd64 binary=target/release/callbox ;;
    *) debian=arm64 binary=target/cross/callbox-$arch ;;
esac
binary=${VM_BINARY:-$binary}
# The voice core runs here, natively.
core=${VM_CORE_BINARY:-target/release/callbox}
tests/vm/guest.sh "$arch"
cache=.cache/vm/$arch
work=$(mktemp -d)
core_pid=
trap '[[ -z $core_pid ]] || kill "$core_pid" 2>/dev/null; rm -rf "$work"' EXIT
# What a run leaves behind is its own, so that a short one may go on beside a long one.
out=$cache/out/${checks:-all}
out=${out// /-}
mkdir -p "$out"
log=$out/console.log
: >"$log"
rm -f "$out/heard.wav"

wants() { [[ -z $checks || " $checks " == *" $1 "* ]]; }

# What changes from run to run goes into an archive of its own behind the root's:
# the package as it is installed, and the checks.
image/deb.sh "$debian" "$binary" >"$out/deb.log"
dpkg-deb -x "$(sed -n 's/^deb: \([^:]*\):.*/\1/p' "$out/deb.log")" "$work/add"
# A folder in the archive would take the place of the link /lib.
mkdir -p "$work/add/usr/lib" && cp -a "$work/add/lib/." "$work/add/usr/lib/" && rm -r "$work/add/lib"
install -D -m 755 tests/vm/guest/init "$work/add/init"
install -D -m 644 tests/vm/guest/vm-checks.service "$work/add/usr/lib/systemd/system/vm-checks.service"
install -D -m 644 -t "$work/add/vm" tests/vm/guest/*.py
(cd "$work/add" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0 | zstd -q -1) >"$work/add.zst"
cat "$cache/root.cpio.zst" "$work/add.zst" >"$work/initrd"

sed "s|{folder}|$work|" tests/vm/core.toml >"$work/core.toml"
"$core" sim-core --listen 127.0.0.1:0 --token-listen 127.0.0.1:0 --plaintext --no-token --json \
    --script "$work/core.toml" >"$out/core.log" 2>&1 &
core_pid=$!
for _ in $(seq 100); do grep -q started "$out/core.log" && break; sleep 0.1; done
port=$(sed -n 's|.*"endpoint":"http://[^:]*:\([0-9]*\)".*|\1|p' "$out/core.log")
[[ -n $port ]] || { echo "vm: the voice core did not start: $(<"$out/core.log")" >&2; exit 1; }

# Emulation everywhere: KVM is not to be had in most places where tests run.
# One processor: a host that stalls then stalls the whole guest, and never one
# side of a measurement alone.
case $arch in
    x86_64) qemu=(qemu-system-x86_64 -M q35 -accel tcg -cpu max) console=ttyS0 ;;
    aarch64) qemu=(qemu-system-aarch64 -M virt -accel tcg -cpu cortex-a72) console=ttyAMA0 ;;
esac
begin=$SECONDS
booted=0

# What is measured in milliseconds must not hang on this machine's load, nor on
# what the emulator has translated already: there a processor does one instruction
# each 8 ns of its own time, some six times slower than one of a Pi 3.
counted=(-icount shift=3)

# boot INIT [KERNEL-ARGUMENT...]: from power-on to power-off.
boot() {
    local init=$1 settings='' more=()
    shift
    [[ $init != counted ]] || more=("${counted[@]}")
    booted=$((booted + 1))
    for name in VM_PRESSES VM_TRACES VM_SEED VM_MINUTES; do
        [[ -z ${!name:-} ]] || settings+=" $name=${!name}"
    done
    echo "vm: booting $arch with $init, Linux $(<"$cache/version"); console in $log"
    timeout "${VM_SECONDS:-2400}" "${qemu[@]}" "${more[@]}" -smp 1 -m 1536 -nographic -no-reboot -nodefaults -serial stdio \
        -nic user,model=virtio-net-pci -device i6300esb \
        -kernel "$cache/kernel" -initrd "$work/initrd" \
        -append "console=$console panic=-1 quiet mitigations=off VM_INIT=$init VM_CORE=10.0.2.2:$port VM_CHECKS=${checks// /,}$settings $*" \
        </dev/null 2>&1 | sed -u 's/\r//g' | tee -a "$log" | grep --line-buffered '^vm:' || true
}

if wants lines; then boot counted; fi
if [[ -n $(sed 's/\<\(lines\|unit\)\>//g; s/ //g' <<<"${checks:-all}") ]]; then boot busybox; fi
if wants unit; then
    boot systemd systemd.unit=vm-checks.service systemd.condition_needs_update=0 systemd.show_status=0 net.ifnames=0
    # The last words of the check: the ladder has one reboot left.
    if grep -q 'reboot: Restarting system' "$log"; then
        again="the machine starts again||ok"
    else
        again="the machine did not||FAILED"
    fi
    echo "VM-ROW|unit|crashing without end, one reboot left|$again" >>"$log"
fi

# What the phone outside heard.
if wants sound; then
    kill -INT "$core_pid" && wait "$core_pid" || true
    core_pid=
    mv "$work/heard.wav" "$out/heard.wav" 2>/dev/null || true
    python3 tests/vm/guest/heard.py "$out/heard.wav" >>"$log"
fi

awk -F '|' -v booted="$booted" '
    /^VM-ROW\|/ { if (!head++) printf "\n%-9s %-58s %-42s %-14s %s\n", "check", "claim", "measured", "limit", ""
                  printf "%-9s %-58s %-42s %-14s %s\n", $2, $3, $4, $5, $6
                  rows++; failed += $6 == "FAILED" }
    /^VM-END/ { ended++ }
    END { if (ended < booted) { print "vm: the guest did not reach its end"; exit 1 }
          printf "\nvm: %d claims, %d failed\n", rows, failed
          exit (failed > 0 || rows == 0) }' "$log" || { tail -n 30 "$log" | grep -v '^VM-ROW' >&2; exit 1; }
echo "vm: $((SECONDS - begin)) s from power-on to power-off"
