#!/usr/bin/env bash
# The appliance image at work in QEMU: builds it for the board virt, starts it
# with a simulated voice core on this side, and runs the checks of this folder.
# Emulated throughout: no KVM, no mounts, some minutes.
#
#   tests/image/run.sh [CHECK...]       start setup refused update rollback data power_first
#                                       power_update fleet speed
set -euo pipefail
cd "$(dirname "$0")/../.."

core=${CALLBOX_CORE:-target/debug/callbox}
[[ -x $core ]] || { cargo build --quiet --locked; core=target/debug/callbox; }
version=1.0.0
out=$PWD/target/image/virt
if [[ -z ${CALLBOX_IMAGE_KEEP:-} || ! -f $out/callbox-virt-$version.img ]]; then
    image/image.sh virt "$version"
fi
keys=.cache/image/keys
image/keys.sh test .cache/image/other-keys
work=$(mktemp -d "$out/test.XXXXXX")
core_pid=
trap '[[ -z $core_pid ]] || kill "$core_pid" 2>/dev/null; rm -rf "$work"' EXIT
sed "s|{folder}|$work|" tests/image/core.toml >"$work/core.toml"
"$core" sim-core --listen 127.0.0.1:0 --token-listen 127.0.0.1:0 --plaintext --no-token --json \
    --script "$work/core.toml" >"$work/core.log" 2>&1 &
core_pid=$!
for _ in $(seq 100); do grep -q started "$work/core.log" && break; sleep 0.1; done
port=$(sed -n 's|.*"endpoint":"http://[^:]*:\([0-9]*\)".*|\1|p' "$work/core.log")
[[ -n $port ]] || { echo "image-test: the voice core did not start: $(<"$work/core.log")" >&2; exit 1; }

PYTHONDONTWRITEBYTECODE=1 python3 tests/image/main.py --image "$out/callbox-virt-$version.img" \
    --slot "$out/callbox-virt-$version.ext4" --bundle "$out/callbox-virt-$version.raucb" --u-boot "$out/u-boot.bin" \
    --keys "$keys" --other-keys .cache/image/other-keys --work "$work" --core "10.0.2.2:$port" --keep "$out" "$@"
