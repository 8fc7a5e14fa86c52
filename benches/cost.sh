#!/usr/bin/env bash
# What a call costs: CPU seconds a minute and memory, idle and in a call, for
# callbox, baresip and Chromium in one run on one machine, one after another.
#
#   benches/cost.sh [SECONDS]      each run's length, 40 unless given; CALLBOX=FILE for another binary
#
# All three carry the same recorded speech over Opus between two ends, through
# PulseAudio. callbox talks to the simulated core, which echoes; the figure is
# the box's alone. baresip and Chromium talk to another of their kind in a
# second network namespace; the figures are the talker's and the listener's.
# Needs root for the namespaces and for real-time priority.
set -euo pipefail
cd "$(dirname "$0")/.."

SECONDS_EACH=${1:-40}
REPO=$PWD
BIN=${CALLBOX:-$REPO/target/release/callbox}
[[ -x $BIN ]] || { echo "cost: build it first: cargo build --release" >&2; exit 1; }
[[ $(id -u) -eq 0 ]] || { echo "cost: run as root: network namespaces need it" >&2; exit 1; }

export RIG=$REPO/target/cost PY=$REPO/.cache/venv/bin/python
rm -rf "$RIG"; mkdir -p "$RIG/speech"
cp benches/measure/* "$RIG/"
cd "$RIG"
. ./env.sh
cleanup() {
    local job
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    ./audio_bus.sh stop >/dev/null 2>&1 || true
    "$PY" netns_impair.py down >/dev/null 2>&1 || true
}
trap cleanup EXIT

sounds=/usr/share/asterisk/sounds/en_US_f_Allison
ffmpeg -v error -y -f g722 -i $sounds/demo-abouttotry.g722 -ar 48000 -ac 1 speech/once.wav
sox speech/once.wav speech/f1_en-48k.wav repeat $((SECONDS_EACH / 7 + 4))
./audio_bus.sh start >/dev/null
cat /usr/share/alsa/alsa.conf asoundrc > asound.full
export ALSA_CONFIG_PATH=$RIG/asound.full

echo "== callbox (Opus, 40 ms echo at the far end)"
"$BIN" sim-core --json --listen 127.0.0.1:0 --token-listen 127.0.0.1:0 --plaintext --no-token \
    --echo > core.out 2> core.err &
core=$!
for _ in $(seq 100); do [[ -s core.out ]] && break; sleep 0.1; done
endpoint=$(head -n 1 core.out | "$PY" -c 'import json, sys; print(json.load(sys.stdin)["endpoint"])')
cat > callbox.toml <<TOML
[core]
endpoint = "$endpoint"
[auth]
method = "none"
[board]
file = "$REPO/board/desktop-mock.toml"
backend = "mock"
[audio]
capture = "mic"
playback = "ear"
[media]
loopback = true
[contacts]
front = "+4700000001"
[[button]]
name = "call"
press = { action = "call", to = ["front"] }
TOML
export CALLBOX_SOCKET=$RIG/control.sock
"$BIN" run --config callbox.toml --socket "$CALLBOX_SOCKET" 2> callbox.err &
box=$!
state() { "$BIN" status --json 2>/dev/null | "$PY" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" || true; }
await() { for _ in $(seq 200); do [[ $(state "$1") == "$2" ]] && return; sleep 0.1; done
          echo "cost: the box is not $2" >&2; tail -n 5 callbox.err >&2; exit 1; }
await session registered
"$PY" m2e.py --dur "$SECONDS_EACH" --pids box=$box --tag callbox_idle
"$BIN" press call --for 100
await call in-call
"$PY" m2e.py --dur "$SECONDS_EACH" --pids box=$box --tag callbox_call
"$BIN" hangup
kill $box $core; wait $box $core 2>/dev/null || true

echo "== baresip (Opus, jitter buffer 1-2)"
DUR=$SECONDS_EACH ./peer_baresip.sh opus 1-2
echo "== Chromium (Opus, its echo canceller, noise suppressor and gain control off)"
"$PY" peer_chromium.py --dur "$SECONDS_EACH" --proc 0
echo "== Chromium (Opus, as it comes)"
"$PY" peer_chromium.py --dur "$SECONDS_EACH" --proc 1
