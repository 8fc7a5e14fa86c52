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
    """Aligned as a whole, then once more in pieces of 2 s, as ITU-T P.862 aligns
    each utterance: a delay that changed once is not taken for garbled speech,
    but the piece in which it changed is."""
    reference, rate = read(reference_path)
    recording, other = read(recording_path)
    if rate != other:
        raise SystemExit(f"{reference_path} has {rate} samples a second, {recording_path} {other}")
    # Padded, so that a recording that was cut short scores low instead of failing.
    reach = int(0.3 * rate)
    recording = np.pad(recording, (reach, len(reference) + reach))
    begin = best_place(recording, reference)
    heard, places = [], []
    for at in range(0, len(reference), 2 * rate):
        piece = reference[at:at + 2 * rate]
        first = max(begin + at - reach, 0)
        place = best_place(recording[first:begin + at + len(piece) + reach], piece) + first
        heard.append(recording[place:place + len(piece)])
        places.append(place - at)
    heard = np.concatenate(heard)
    return {
        "stoi": round(float(stoi(reference, heard, rate)), 4),
        "delay_ms": round((begin - reach) / rate * 1000, 1),
        "delay_change_ms": round((max(places) - min(places)) / rate * 1000, 1),
        "gain_db": db((heard**2).mean() / ((reference**2).mean() + 1e-12)),
    }


def best_place(recording, reference):
    return int(np.argmax(np.abs(correlate(recording, reference, mode="valid", method="fft"))))


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
