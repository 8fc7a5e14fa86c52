#!/usr/bin/env python3
"""What was understood of what was said: understood.py SAID HEARD

SAID went out again and again; HEARD is a recording that begins anywhere in it and may
have silence around. Prints one JSON object: PLCMOS and PESQ-WB of pieces of 8 s as
benches/loss/score.py has them, STOI of the same pieces, and how many there were.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from pystoi import stoi
from scipy.signal import correlate

PATH = Path(__file__).resolve().parents[2] / "benches/loss/score.py"
SPEC = importlib.util.spec_from_file_location("score", PATH)
loss = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(loss)
RATE, PIECE = loss.RATE, loss.PIECE

# Where a piece is looked for around where it should be, samples.
BEFORE, AROUND = RATE // 2, RATE


def loud_part(sound):
    """From the first sound over -50 dBFS to the last."""
    loud = np.flatnonzero(np.abs(sound) > 0.003)
    if len(loud) == 0:
        sys.exit("nothing at all was heard")
    return sound[loud[0] : loud[-1] + 1]


def place(said, heard):
    """Where in what was said the recording begins, by its middle."""
    middle = len(heard) // 2
    piece = heard[middle : middle + 2 * PIECE]
    likeness = correlate(np.concatenate([said, said[: len(piece)]]), piece, mode="valid", method="fft")
    return (int(np.argmax(likeness)) - middle) % len(said)


def main():
    said, heard = loss.read(sys.argv[1]), loud_part(loss.read(sys.argv[2]))
    rolled = np.resize(np.roll(said, -place(said, heard)), len(heard))
    pieces = []
    # The first seconds are for ICE, jitter buffer and codec to settle.
    for begin in range(PIECE, len(heard) - 2 * PIECE, PIECE):
        piece = rolled[begin : begin + PIECE]
        around = heard[begin - BEFORE : begin + PIECE + AROUND]
        at = int(np.argmax(correlate(around, piece, mode="valid", method="fft")))
        part = around[at : at + PIECE]
        if np.sqrt(np.mean(piece**2)) < 0.003:
            continue
        mos = loss.plcmos.run(np.clip(part, -1, 1).astype(np.float32), sr=RATE)["plcmos"]
        try:
            pesq = loss.pesq(RATE, piece, part, "wb")
        except Exception:
            # No utterance in what is left of it.
            pesq = 1.0
        pieces.append((float(mos), float(pesq), float(stoi(piece, part, RATE))))
    if not pieces:
        sys.exit(f"only {len(heard) / RATE:.0f} s were heard")
    means = np.mean(pieces, axis=0)
    print(json.dumps({"pieces": len(pieces), "plcmos": round(means[0], 2), "pesq": round(means[1], 2),
                      "stoi": round(means[2], 3)}))


main()
