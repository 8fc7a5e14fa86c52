#!/usr/bin/env bash
# callbox beside its peers on one machine in one run: mouth to ear, CPU seconds
# a call minute and memory of each end, then sound behind bad networks.
#
#   benches/peers.sh [SECONDS [SEEDS]]   each run's length, 30 unless given; seeds of each bad network, 1 unless given; 0 leaves them out
#
# callbox has everything on (echo canceller, noise suppressor, gain control) and
# is measured with packets of 20 ms and of 10 ms. BIN=FILE for another binary.
# Needs root for the namespaces and for real-time priority, and a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."

export DUR=${1:-30} REPO=$PWD RIG=$PWD/target/peers PY=$PWD/.cache/venv/bin/python
export BIN=${BIN:-$REPO/target/release/callbox}
SEEDS=${2:-1}
[[ -x $BIN ]] || { echo "peers: build it first: cargo build --release" >&2; exit 1; }
[[ $(id -u) -eq 0 ]] || { echo "peers: run as root: network namespaces need it" >&2; exit 1; }

scorer=.cache/venv-loss
list=tests/support/requirements-bench-loss.txt
if ((SEEDS)) && ! cmp -s "$list" "$scorer/requirements.txt"; then
    [[ -x $scorer/bin/python ]] || python3 -m venv "$scorer"
    "$scorer/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list" </dev/null
    cp "$list" "$scorer/requirements.txt"
fi
rm -rf "$RIG"
mkdir -p "$RIG/speech"
cp benches/measure/* "$RIG/"
cd "$RIG"
. ./env.sh
trap './audio_bus.sh stop >/dev/null 2>&1 || true; "$PY" netns_impair.py down >/dev/null 2>&1 || true' EXIT

sounds=/usr/share/asterisk/sounds/en_US_f_Allison
ffmpeg -v error -y -f g722 -i $sounds/demo-instruct.g722 -ar 48000 -ac 1 speech/once.wav
sox speech/once.wav speech/f1_en-48k.wav repeat $((DUR / 20 + 1)) gain -n -3
./audio_bus.sh start >/dev/null

echo "== a good network"
TAG=_20ms MEDIA='frame = "20ms"' ./peer_callbox.sh | grep tag
TAG=_10ms MEDIA='frame = "10ms"' ./peer_callbox.sh | grep tag
"$PY" peer_chromium.py --dur "$DUR" --proc 1 | grep tag
./peer_baresip.sh opus 1-2 | grep tag
./peer_gst.sh 40 opus | grep tag

for ((seed = 1; seed <= SEEDS; seed++)); do
    for bad in "--loss 0.05" "--loss 0.1" "--loss 0.2" "--loss 0.1 --burst 4" "--jitter 30" "--jitter 100"; do
        echo "== $bad --seed $seed"
        read -ra bad <<< "$bad --seed $seed"
        export KEEP=--keep
        TAG=_bad ./peer_callbox.sh "${bad[@]}" | grep tag
        "$PY" peer_chromium.py --dur "$DUR" --proc 0 --keep --tag chromium_bad -- "${bad[@]}" | grep tag
        TAG=_bad ./peer_baresip.sh opus 1-2 "${bad[@]}" | grep tag
        TAG=_bad ./peer_gst.sh 40 opus "${bad[@]}" | grep tag
        for tag in callbox_bad chromium_bad baresip_opus_jb1-2_bad gst_opus_jb40_bad; do
            "$REPO/$scorer/bin/python" score_call.py $tag
            rm -f "tmp/$tag.wav"
        done
    done
done
