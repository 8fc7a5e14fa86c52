#!/usr/bin/env python3
"""score.py score REFERENCE.wav RECORDING.wav: aligns and compares, prints one JSON object.
score.py tone HERTZ RECORDING.wav: level of one frequency over the loudest second."""
import json
import sys

import numpy as np
import soundfile
from pystoi import stoi
from scipy.signal import correlate


def read(path):
    samples, rate = soundfile.read(path, always_2d=True)
    return samples[:, 0], rate


def db(power):
    return round(float(10 * np.log10(power + 1e-12)), 1)


def score(reference_path, recording_path):
    reference, rate = read(reference_path)
    recording, other = read(recording_path)
    if rate != other:
        raise SystemExit(f"{reference_path} has {rate} samples a second, {recording_path} {other}")
    # Where a steady length of speech must be whole, pad: a recording cut short scores low.
    recording = np.pad(recording, (0, len(reference)))
    match = correlate(recording, reference, mode="valid", method="fft")
    begin = int(np.argmax(np.abs(match)))
    heard = recording[begin:begin + len(reference)]
    return {
        "stoi": round(float(stoi(reference, heard, rate)), 4),
        "delay_ms": round(begin / rate * 1000, 1),
        "gain_db": db((heard**2).mean() / ((reference**2).mean() + 1e-12)),
    }


def tone(hertz, path):
    samples, rate = read(path)
    best = None
    for begin in range(0, max(1, len(samples) - rate), rate // 4):
        part = samples[begin:begin + rate]
        if best is None or (part**2).mean() > (best**2).mean():
            best = part
    time = np.arange(len(best)) / rate
    wave = np.exp(-2j * np.pi * hertz * time) * np.hanning(len(best)) * 2
    power = float(np.abs((best * wave).mean()) ** 2 * 2)
    return {"tone_db": db(power), "rest_db": db(max(float((best**2).mean()) - power, 0.0))}


command, *arguments = sys.argv[1:]
print(json.dumps({"score": score, "tone": tone}[command](*(
    [arguments[0], arguments[1]] if command == "score" else [float(arguments[0]), arguments[1]]))))
