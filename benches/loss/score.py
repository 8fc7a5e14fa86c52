#!/usr/bin/env python3
"""Scores what loss.rs wrote: score.py SPEECH OUT LINES

PESQ-WB (ITU-T P.862.2) and PLCMOS v2 (Diener et al., Interspeech 2023), means
over pieces of 8 s, each aligned by itself, since the jitter buffer moves the
delay; the standard deviation is over seeds. Delay is that of the sound itself,
by correlation, mouth to ear without sound cards, with 20 ms of network.
"""

import json
import sys
import warnings
from collections import defaultdict

import numpy as np
import soundfile
from pesq import pesq
from scipy.signal import correlate, resample_poly
from speechmos import plcmos

warnings.filterwarnings("ignore")
RATE = 16_000
PIECE = 8 * RATE
MOST_DELAY = RATE


def read(path):
    sound, rate = soundfile.read(path)
    return resample_poly(sound, 1, rate // RATE)


def score(said, heard):
    """Means of PESQ-WB and PLCMOS, and the median delay in ms."""
    found = []
    for begin in range(0, len(said) - PIECE - MOST_DELAY, PIECE):
        piece = said[begin : begin + PIECE]
        around = heard[begin : begin + PIECE + MOST_DELAY]
        likeness = correlate(around, piece, mode="valid", method="fft")
        delay = int(np.argmax(likeness))
        part = around[delay : delay + PIECE]
        quality = plcmos.run(np.clip(part, -1, 1).astype(np.float32), sr=RATE)["plcmos"]
        found.append((pesq(RATE, piece, part, "wb"), quality, delay * 1000 / RATE))
    found = np.array(found)
    return found[:, 0].mean(), found[:, 1].mean(), float(np.median(found[:, 2]))


def main():
    speech, out, lines = sys.argv[1:]
    said = read(speech)
    rows = defaultdict(list)
    with open(lines) as file:
        for line in filter(lambda line: line.startswith("{"), file):
            run = json.loads(line)
            run["scores"] = score(said, read(f"{out}/{run['file']}"))
            rows[run["codec"], run["network"]].append(run)
    print(f"{'codec':6} {'network':11} {'seeds':>5} {'PESQ-WB':>12} {'PLCMOS':>12} {'delay ms':>9} {'buffer ms':>9} {'made up':>8} {'restored':>8}")
    for (codec, network), runs in rows.items():
        scores = np.array([run["scores"] for run in runs])
        mean = lambda key: np.mean([run[key] for run in runs])
        print(
            f"{codec:6} {network:11} {len(runs):5} {scores[:, 0].mean():6.2f} ±{scores[:, 0].std():4.2f} "
            f"{scores[:, 1].mean():6.2f} ±{scores[:, 1].std():4.2f} {scores[:, 2].mean():9.1f} "
            f"{mean('buffer_ms'):9.1f} {100 * mean('concealed'):6.2f} % {100 * mean('restored'):6.2f} %"
        )


if __name__ == "__main__":
    main()
