"""Tones: made with `aplay`, found again in what was recorded."""

import array
import math
import statistics
import wave

RATE = 48_000


def write(path, hz, seconds, amplitude=0.25):
    """A mono WAV file with a sine."""
    scale = amplitude * 32767
    one_second = array.array("h", (round(scale * math.sin(2 * math.pi * hz * n / RATE)) for n in range(RATE)))
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        for _ in range(seconds):
            out.writeframes(one_second.tobytes())


def read(path):
    """The first channel of a WAV file, however its writer ended, and its rate."""
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = array.array("h", file.readframes(file.getnframes()))
    return samples[::channels], rate


def frequency(samples, rate):
    """The median over windows of 50 ms: a gap in the sound spoils few of them."""
    window = rate // 20
    return statistics.median(crossings(samples[start:start + window], rate)
                             for start in range(0, max(1, len(samples) - window), window))


def crossings(samples, rate):
    """Zero crossings upwards a second, with the ends interpolated."""
    found = [n - samples[n] / (samples[n] - samples[n - 1])
             for n in range(1, len(samples)) if samples[n - 1] < 0 <= samples[n]]
    if len(found) < 3:
        return 0.0
    return (len(found) - 1) * rate / (found[-1] - found[0])


def share(samples, rate, hz):
    """How much of the power is within the tone `hz`, 0 to 1, in windows of 50 ms."""
    window = rate // 20
    tone = whole = 0.0
    turn = 2 * math.pi * hz / rate
    cosine = [math.cos(turn * n) for n in range(window)]
    sine = [math.sin(turn * n) for n in range(window)]
    for start in range(0, len(samples) - window, window):
        part = samples[start:start + window]
        real = sum(map(float.__mul__, map(float, part), cosine))
        imaginary = sum(map(float.__mul__, map(float, part), sine))
        tone += 2 * (real * real + imaginary * imaginary) / window
        whole += sum(float(sample) * sample for sample in part)
    return tone / whole if whole else 0.0


def level_db(samples):
    """RMS in dBFS; a full-scale sine is 0."""
    power = sum(float(sample) * sample for sample in samples) / max(1, len(samples))
    return 10 * math.log10(max(power, 1e-9) / (32767.0 ** 2 / 2))


def judge(path, hz):
    """A row's end: the middle two seconds of a recording must be the tone."""
    samples, rate = read(path)
    middle = len(samples) // 2
    part = samples[max(0, middle - rate):middle + rate]
    found, power, level = frequency(part, rate), share(part, rate, hz), level_db(part)
    good = abs(found - hz) < hz * 0.01 and power > 0.9
    return f"{found:.1f} Hz, {power * 100:.0f} % of the power, {level:.0f} dBFS", good, "1 %, 90 %"
