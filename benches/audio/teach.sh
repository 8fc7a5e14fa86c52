#!/usr/bin/env bash
# Makes src/audio/duplex/mask.bin anew: lessons from public sound and seeds, what
# the canceller sees of them, and the network taught on that. 70 minutes
# on two cores, 21 GB of disk; another machine rounds otherwise, so the weights are alike, not the same.
#
#   benches/audio/teach.sh [EPOCHS]
#
# `make teach` installs what it wants.
set -euo pipefail
cd "$(dirname "$0")/../.."
epochs=${1:-16}
here=benches/audio
work=target/teach
python=.cache/venv-teach/bin/python

OMP_NUM_THREADS=1 "$python" $here/lessons.py "$work/lessons" 1200 0 &
OMP_NUM_THREADS=1 "$python" $here/lessons.py "$work/lessons" 1200 1200
wait $!
cargo bench --quiet --locked --bench duplex -- "$PWD/$work/lessons" "$PWD/$work/seen" lessons
"$python" $here/teach.py "$work/seen" src/audio/duplex/mask.bin "$epochs"
