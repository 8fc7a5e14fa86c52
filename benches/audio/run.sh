#!/usr/bin/env bash
# Echo cancelling, measured: benches/audio/run.sh [COUNT [FIRST]]
#
# Makes COUNT scenes (16) from scene FIRST on (20: those nothing was tuned on),
# runs them through callbox's cancellers and through what others use, and
# prints one line of scores for each. Wants ffmpeg, libspeexdsp1 and
# asterisk-core-sounds-{en,it}-g722.
set -euo pipefail
cd "$(dirname "$0")/../.."
count=${1:-16} first=${2:-20}
here=benches/audio
work=target/bench-audio/$first-$count
list=tests/support/requirements-bench-audio.txt
python=.cache/venv-audio/bin/python
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

if ! cmp -s "$list" .cache/venv-audio/requirements.txt; then
    [[ -x $python ]] || python3 -m venv .cache/venv-audio
    "$python" -m pip install --quiet --disable-pip-version-check -r "$list" </dev/null
    cp "$list" .cache/venv-audio/requirements.txt
fi
"$python" $here/scenes.py "$work/scenes" "$count" "$first"
"$python" $here/peers.py "$work/scenes" "$work/out" none perfect libwebrtc speexdsp
for canceller in aec3 own; do
    cargo bench --quiet --locked --bench duplex -- "$PWD/$work/scenes" "$PWD/$work/out" $canceller
done
"$python" $here/score.py "$work/scenes" "$work/out" none speexdsp libwebrtc aec3 own perfect
echo && benches/loss/run.sh
