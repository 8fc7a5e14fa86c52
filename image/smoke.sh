#!/usr/bin/env bash
# Tries a binary of image/cross.sh out, under qemu-user where it is for another
# machine: configuration, a session and a call with sound to a voice core that
# runs natively.
#
#   image/smoke.sh ARCH BINARY
#
# CALLBOX_CORE=FILE is a native callbox that need not be built first.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=$1 binary=$2
work=$(mktemp -d)
pids=()
trap '((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT
run=(image/emulate.sh "$arch" "$binary" --socket "$work/socket")
fail() {
    echo "smoke: $*" >&2
    tail -n 20 "$work"/*.log >&2
    exit 1
}

"${run[@]}" --version
image/pretend.sh "$work"
export CREDENTIALS_DIRECTORY=$work
for example in board/examples/*.toml; do
    sed "s|/etc/callbox/|$work/|" "$example" >"$work/example.toml"
    "${run[@]}" check --config "$work/example.toml" >"$work/check.log" 2>&1 || fail "callbox check --config $example"
done

# The voice core runs natively and says back what it hears.
core=${CALLBOX_CORE:-target/debug/callbox}
[[ -n ${CALLBOX_CORE:-} ]] || cargo build --quiet --locked
"$core" sim-core --listen 127.0.0.1:0 --token-listen 127.0.0.1:0 --plaintext --no-token --echo --json \
    >"$work/core.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do grep -q started "$work/core.log" && break; sleep 0.1; done
port=$(sed -n 's|.*"endpoint":"http://[^:]*:\([0-9]*\)".*|\1|p' "$work/core.log")
cat >"$work/callbox.toml" <<END
[core]
endpoint = "http://127.0.0.1:$port"
[auth]
method = "none"
[board]
file = "rpi4-doorstation"
[audio]
capture = "synth:tone=440"
playback = "synth:silence"
[media]
loopback = true
[contacts]
flat = "+4700000011"
[[button]]
name = "call"
press = { action = "call", to = ["flat"] }
END
"${run[@]}" run --config "$work/callbox.toml" >"$work/box.log" 2>&1 &
pids+=($!)

# status WORD SECONDS: waits until the status has it.
status() {
    local end=$((SECONDS + $2))
    until "${run[@]}" status --json 2>/dev/null | tee "$work/status.log" | grep -qE "$1"; do
        ((SECONDS < end)) || fail "not within $2 s: $1"
        sleep 0.2
    done
}
status '"session": ?"registered"' 60
"${run[@]}" call flat >/dev/null || fail "callbox call"
status '"call": ?"in-call"' 60
# What came back is heard: louder than -60 dBFS.
status '"playback_level_db": ?-[1-5]?[0-9]\.' 60
"${run[@]}" selftest >"$work/selftest.log" 2>&1 || true
grep -q '^core   ok' "$work/selftest.log" || fail "callbox selftest: $(<"$work/selftest.log")"
grep -q '^lines  FAILED' "$work/selftest.log" || fail "no chip is here, and callbox selftest does not say so"
"${run[@]}" hangup >/dev/null || fail "callbox hangup"
status '"call": ?"idle"' 30
echo "smoke: callbox selftest says"
sed 's/^/smoke:   /' "$work/selftest.log"
kill -TERM "${pids[1]}"
wait "${pids[1]}" || fail "exit status $? at SIGTERM"
echo "smoke: $binary: configuration, session, call with sound and end are good on $arch"
