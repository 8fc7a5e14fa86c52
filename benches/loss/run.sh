#!/usr/bin/env bash
# Loss and jitter, measured: benches/loss/run.sh [SEEDS]
#
# Plays real speech (asterisk-core-sounds-en-g722, public) through networks made
# from SEEDS (5) seeds and callbox's encoder, jitter buffer and decoder, in one
# process on virtual time, and prints PESQ-WB, PLCMOS and delay of each network.
set -euo pipefail
cd "$(dirname "$0")/../.."
seeds=${1:-5}
work=target/bench-loss
list=tests/support/requirements-bench-loss.txt
python=.cache/venv-loss/bin/python
sounds=/usr/share/asterisk/sounds/en_US_f_Allison
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

if ! cmp -s "$list" .cache/venv-loss/requirements.txt; then
    [[ -x $python ]] || python3 -m venv .cache/venv-loss
    "$python" -m pip install --quiet --disable-pip-version-check -r "$list" </dev/null
    cp "$list" .cache/venv-loss/requirements.txt
fi
mkdir -p "$work"
inputs=() graph="" count=0
for name in demo-instruct demo-congrats; do
    inputs+=(-f g722 -i "$sounds/$name.g722")
    graph+="[$count:a]"
    count=$((count + 1))
done
ffmpeg -v error -y "${inputs[@]}" -filter_complex "${graph}concat=n=$count:v=0:a=1,loudnorm=I=-26,aresample=48000,atrim=0:40[out]" \
    -map "[out]" -ac 1 -ar 48000 -c:a pcm_s16le "$work/speech.wav" </dev/null
cargo bench --quiet --locked --bench loss -- "$PWD/$work/speech.wav" "$PWD/$work/out" "$seeds" >"$work/lines.json"
"$python" benches/loss/score.py "$work/speech.wav" "$work/out" "$work/lines.json"
