#!/usr/bin/env bash
# The real binary in a throw-away guest with the kernel's own GPIO and sound:
# boots it in QEMU, runs the checks of tests/vm/guest and prints their table.
#
#   tests/vm/run.sh                    x86_64 with target/release/callbox
#   tests/vm/run.sh aarch64            with the binary of `make cross`
#   VM_CHECKS="lines sound" tests/vm/run.sh   only these
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=${1:-x86_64}
checks=${VM_CHECKS:-}
case $arch in
    x86_64) binary=target/release/callbox ;;
    *) binary=target/cross/callbox-$arch ;;
esac
# The voice core runs here, natively.
core=target/release/callbox
tests/vm/guest.sh "$arch"
cache=.cache/vm/$arch
work=$(mktemp -d)
core_pid=
trap '[[ -z $core_pid ]] || kill "$core_pid" 2>/dev/null; rm -rf "$work"' EXIT

# What changes from run to run goes into an archive of its own behind the root's.
install -D -m 755 "$binary" "$work/add/usr/bin/callbox"
install -D -m 755 tests/vm/guest/init "$work/add/init"
mkdir -p "$work/add/vm"
cp tests/vm/guest/*.py "$work/add/vm/"
(cd "$work/add" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0 | zstd -q -1) >"$work/add.zst"
cat "$cache/root.cpio.zst" "$work/add.zst" >"$work/initrd"

sed "s|{folder}|$work|" tests/vm/core.toml >"$work/core.toml"
"$core" sim-core --listen 127.0.0.1:0 --token-listen 127.0.0.1:0 --plaintext --no-token --json \
    --script "$work/core.toml" >"$cache/core.log" 2>&1 &
core_pid=$!
for _ in $(seq 100); do grep -q started "$cache/core.log" && break; sleep 0.1; done
port=$(sed -n 's|.*"endpoint":"http://[^:]*:\([0-9]*\)".*|\1|p' "$cache/core.log")
[[ -n $port ]] || { echo "vm: the voice core did not start: $(<"$cache/core.log")" >&2; exit 1; }

# Emulation everywhere: KVM is not to be had in most places where tests run.
# One processor: a host that stalls then stalls the whole guest, and never one
# side of a measurement alone.
case $arch in
    x86_64) qemu=(qemu-system-x86_64 -M q35 -accel tcg -cpu max) console=ttyS0 ;;
    aarch64) qemu=(qemu-system-aarch64 -M virt -accel tcg -cpu cortex-a72) console=ttyAMA0 ;;
esac
log=$cache/console.log
echo "vm: booting $arch, Linux $(<"$cache/version"); console in $log"
begin=$SECONDS
timeout "${VM_SECONDS:-1200}" "${qemu[@]}" -smp 1 -m 1024 -nographic -no-reboot -nodefaults -serial stdio \
    -nic user,model=virtio-net-pci \
    -kernel "$cache/kernel" -initrd "$work/initrd" \
    -append "console=$console panic=-1 quiet mitigations=off VM_CORE=10.0.2.2:$port VM_CHECKS=${checks// /,}" \
    </dev/null 2>&1 | sed -u 's/\r//g' | tee "$log" | grep --line-buffered '^vm:' || true

# What the phone outside heard.
if [[ -z $checks || $checks == *sound* ]]; then
    kill -INT "$core_pid" && wait "$core_pid" || true
    core_pid=
    python3 tests/vm/guest/heard.py "$work/heard.wav" >>"$log"
fi

awk -F '|' '
    /^VM-ROW\|/ { if (!head++) printf "\n%-9s %-58s %-42s %-14s %s\n", "check", "claim", "measured", "limit", ""
                  printf "%-9s %-58s %-42s %-14s %s\n", $2, $3, $4, $5, $6
                  rows++; failed += $6 == "FAILED" }
    /^VM-END/ { ended = 1 }
    END { if (!ended) { print "vm: the guest did not reach its end"; exit 1 }
          printf "\nvm: %d claims, %d failed\n", rows, failed
          exit (failed > 0 || rows == 0) }' "$log" || { tail -n 30 "$log" | grep -v '^VM-ROW' >&2; exit 1; }
echo "vm: $((SECONDS - begin)) s from power-on to power-off"
