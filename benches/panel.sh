#!/usr/bin/env bash
# What the panel costs: the page's weight and first paint, the box's CPU idle
# and in a call without panel, with it, and with a page that follows; and what
# strangers at the panel cost the sound of a call (xruns) and in memory.
#
#   benches/panel.sh [SECONDS]     each stretch's length, 60 unless given; CALLBOX=FILE for another binary
#
# The boxes run side by side in each stretch, so that they meet the same
# machine. Needs Chromium, Node.js and PulseAudio: `make setup` installs them.
set -euo pipefail
cd "$(dirname "$0")/.."

SECONDS_EACH=${1:-60}
REPO=$PWD
export BIN=${CALLBOX:-$REPO/target/release/callbox}
[[ -x $BIN ]] || { echo "panel: build it first: cargo build --release" >&2; exit 1; }

export RIG=$REPO/target/panel-cost
rm -rf "$RIG"; mkdir -p "$RIG"
cp benches/measure/{env.sh,audio_bus.sh,asoundrc} "$RIG/"
cd "$RIG"
. ./env.sh
cleanup() { ./audio_bus.sh stop >/dev/null 2>&1 || true; }
trap cleanup EXIT
./audio_bus.sh start >/dev/null
cat /usr/share/alsa/alsa.conf asoundrc > asound.full
export ALSA_CONFIG_PATH=$RIG/asound.full
python3 "$REPO/benches/panel/cost.py" "$BIN" "$REPO" "$RIG" "$SECONDS_EACH"
