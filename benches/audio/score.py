#!/usr/bin/env python3
"""Scores what came out of the cancellers.

    score.py SCENES OUT [NAME...]          each NAME is a folder OUT/NAME of sNN.wav, as many samples as the scene

Columns, means over all scenes: far-end single talk echo MOS, double-talk echo and degradation MOS, near-end
degradation MOS (AECMOS 16 kHz, Purin et al. 2022, PyPI speechmos), STOI in double talk against the near end's part
of the microphone signal, echo return loss in far-end single talk, and the seconds of far-end speech until echo and
what it left are 20 dB apart (scenes that begin with the far end alone). One line a scene with SCENES_TOO=1.
Scores of far-end single talk begin one second after the far end's first word.
"""
import os
import sys
import warnings

import numpy as np
import soundfile
from pystoi import stoi
from scipy.signal import correlate, resample_poly
from speechmos import aecmos

warnings.filterwarnings("ignore")
RATE = 16000
COLUMNS = ["far echo", "dbl echo", "dbl degr", "near degr", "dbl stoi", "erle dB", "20dB s"]


def power(x, window=1600):
    """Mean power in windows of 100 ms."""
    return np.mean(x[:len(x) // window * window].reshape(-1, window) ** 2, axis=1)


def delay_of(out, near):
    """Samples by which the processing delays, at most 80 ms."""
    c = correlate(out, near, method="fft")[len(near) - 1:len(near) - 1 + int(0.08 * RATE)]
    return int(np.argmax(np.abs(c)))


def scores(scene, out):
    """All figures of one scene."""
    both, rate = soundfile.read(scene)
    far, mic = resample_poly(both, 1, rate // RATE, axis=0).T
    got, rate = soundfile.read(out)
    got = resample_poly(got, 1, rate // RATE) if rate != RATE else got
    got = np.concatenate([got, np.zeros(max(0, len(mic) - len(got)))])[:len(mic)]
    truth = np.load(scene.replace(".wav", ".npz"), allow_pickle=True)
    echo, near, noise = truth["echo"], truth["near"], truth["noise"]
    parts = {kind: (int(float(a) * RATE), int(float(b) * RATE)) for kind, a, b in truth["script"]}
    clip = lambda x: np.clip(x, -1, 1).astype(np.float32)
    mos = lambda a, b, kind: aecmos.run({"lpb": clip(far[a:b]), "mic": clip(mic[a:b]), "enh": clip(got[a:b])}, RATE,
                                        talk_type=kind)
    a, b = parts["near"]
    delay = delay_of(got[a:b], near[a:b])
    row = {"near degr": mos(a, b, "nst")["deg_mos"]}
    a, b = parts["far"]
    row["far echo"] = mos(a + RATE, b, "st")["echo_mos"]
    had, left = power(echo[a:b]), power(got[a + delay:b + delay])
    quiet = power(noise[a:b])
    windows = min(len(had), len(left))
    had, left, quiet = had[:windows], left[:windows], quiet[:windows]
    left = np.maximum(left - quiet, 1e-4 * had)
    speaking = had > 0.02 * np.mean(had)
    spoken = np.cumsum(speaking) * 0.1
    later = speaking & (spoken > 2)
    row["erle dB"] = 10 * np.log10(np.sum(had[later]) / np.sum(left[later]))
    if not any(begin < parts["far"][0] and kind == "double" for kind, (begin, _) in parts.items()):
        reached = np.flatnonzero(speaking & (had > 100 * left))
        row["20dB s"] = spoken[reached[0]] if len(reached) else 9.0
    a, b = parts["double"]
    double = mos(a, b, "dt")
    row["dbl echo"], row["dbl degr"] = double["echo_mos"], double["deg_mos"]
    b = min(b, len(got) - delay)
    row["dbl stoi"] = stoi(near[a:b], got[a + delay:b + delay], RATE)
    row["delay ms"] = delay * 1000 / RATE
    return row


def main():
    scenes, folder = sys.argv[1:3]
    names = sys.argv[3:] or sorted(os.listdir(folder))
    print(f"{'':16}" + "".join(f"{c:>10}" for c in COLUMNS) + f"{'delay ms':>10}")
    for name in names:
        rows = []
        for file in sorted(f for f in os.listdir(f"{folder}/{name}") if f.endswith(".wav")):
            rows.append(scores(f"{scenes}/{file}", f"{folder}/{name}/{file}"))
            if os.environ.get("SCENES_TOO"):
                print(f"  {file:14}" + "".join(f"{rows[-1].get(c, np.nan):10.2f}" for c in COLUMNS + ["delay ms"]))
        mean = lambda c: np.mean([row[c] for row in rows if c in row])
        print(f"{name:16}" + "".join(f"{mean(c):10.2f}" for c in COLUMNS + ["delay ms"]), flush=True)


if __name__ == "__main__":
    main()
