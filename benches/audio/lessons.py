#!/usr/bin/env python3
"""Makes the scenes that the echo mask is taught on, from public sound and seeds.

    lessons.py FOLDER COUNT [FIRST]

Each is FOLDER/lNNNN.wav, 48 kHz, 16 bit, three channels: what is rendered, the microphone, and the microphone without
the echo. Unlike those of `scenes.py`, everything is drawn at random: other voices (Spanish, French and Russian
prompts, and flite's of two men and a woman, at any speed, so that they sound like more people), music and clatter now
and then, rain, wind, hum, voices behind, any loudspeaker, any script. In one of five there is hardly any echo or none,
and often a far end that sends back what it hears. Lesson N depends on N only.
"""
import gzip
import os
import subprocess
import sys
import tempfile

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from scenes import RATE, SOUNDS, drifted, room_response, traffic

SECONDS = 24
SAMPLES = SECONDS * RATE
PROMPTS = ["es_MX_f_Allison", "fr_CA_f_June", "ru_RU_f_IvrvoiceRU"]
SPOKEN = ["rms", "awb", "slt"]
VOICES = PROMPTS + SPOKEN
TEXTS = "/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
MUSIC = "/usr/share/asterisk/moh"
heard, texts = {}, []


def recording(path):
    """A file of G.722."""
    if path not in heard:
        raw = subprocess.run(["ffmpeg", "-v", "error", "-t", "60", "-f", "g722", "-i", path, "-f", "s16le", "-ar",
                              str(RATE), "-"], check=True, capture_output=True).stdout
        heard[path] = level(np.frombuffer(raw, np.int16) / 32768.0)
    return heard[path]


def level(sound):
    """Without silence at its ends and of power one, or None where it is too short."""
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    sound = sound[loud[0]:loud[-1]] if len(loud) else sound[:0]
    return sound / np.sqrt(np.mean(sound ** 2)) if len(sound) > RATE else None


def spoken(voice, which):
    """A text of the prompts, said by flite."""
    if not texts:
        with gzip.open(TEXTS, "rt", errors="replace") as lines:
            texts.extend(said for said in (line.partition(": ")[2].strip() for line in lines) if len(said) > 40)
    which %= len(texts)
    if (voice, which) not in heard:
        with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
            subprocess.run(["flite", "-voice", voice, "-t", texts[which], "-o", wav.name], check=True)
            heard[voice, which] = level(soundfile.read(wav.name)[0])
    return heard[voice, which]


def files(folder):
    return sorted(f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".g722"))


def speech(rng, voice):
    """As long as a lesson, without a pause of more than a second."""
    paths = files(f"{SOUNDS}/{voice}") if voice in PROMPTS else []
    parts, have = [], 0
    up, down = [(1, 1), (6, 5), (5, 6), (9, 8), (4, 5), (5, 4), (3, 4)][rng.integers(7)]
    while have < SAMPLES:
        which = rng.integers(1000)
        part = recording(paths[which % len(paths)]) if paths else spoken(voice, which)
        if part is None:
            continue
        part = resample_poly(part, up, down) * 10 ** (rng.uniform(-4, 4) / 20)
        parts += [part, np.zeros(int(rng.uniform(0.1, 0.8) * RATE))]
        have += len(part) + len(parts[-1])
    return np.concatenate(parts)[:SAMPLES]


def music(rng):
    paths = files(MUSIC)
    sound = recording(paths[rng.integers(len(paths))])
    return np.roll(np.resize(sound, SAMPLES), rng.integers(SAMPLES))


def clatter(rng):
    """Knocks, keys and doors: short bursts of coloured noise that ring."""
    sound = np.zeros(SAMPLES)
    for at in rng.integers(0, SAMPLES - RATE, rng.integers(10, 60)):
        length = int(rng.uniform(0.01, 0.3) * RATE)
        low = rng.uniform(100, 3000)
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 6))
        burst = sosfilt(butter(2, [low, min(low * rng.uniform(1.2, 4), 7800)], "band", fs=RATE, output="sos"), burst)
        sound[at:at + length] += burst / (np.sqrt(np.mean(burst ** 2)) + 1e-9) * rng.uniform(0.3, 2)
    return sound


def tones(rng):
    """Keys of a telephone, and beeps."""
    sound = np.zeros(SAMPLES)
    t = np.arange(SAMPLES) / RATE
    for at in np.arange(0, SECONDS - 1, rng.uniform(0.3, 1.5)):
        chosen = (t > at) & (t < at + rng.uniform(0.07, 0.6))
        for pitch in rng.uniform(300, 2500, rng.integers(1, 3)):
            sound[chosen] += np.sin(2 * np.pi * pitch * t[chosen])
    return sound


def source(rng, voice, odd):
    """Speech, or with some chance something else."""
    kind = rng.uniform()
    if kind < odd:
        return [music, clatter, tones][rng.integers(3)](rng)
    return speech(rng, voice)


def script(rng, busy):
    """When somebody speaks: 0 or 1 a sample."""
    mask, at = np.zeros(SAMPLES), 0
    on = rng.uniform() < busy
    while at < SAMPLES:
        length = int(rng.uniform(1.0, 9.0) * RATE)
        mask[at:at + length] = on
        at += length
        on = rng.uniform() < busy
    return mask


def noise(rng):
    """What lies behind everything, of power one."""
    white = lambda: rng.standard_normal(SAMPLES)
    band = lambda x, low, high: sosfilt(butter(1, [low, high], "band", fs=RATE, output="sos"), x)
    t = np.arange(SAMPLES) / RATE
    kind = rng.integers(8)
    if kind <= 2:
        sound = traffic(rng, SAMPLES)
    elif kind == 3:
        sound = white() if rng.uniform() < 0.3 else band(white(), 50, rng.uniform(200, 4000))
    elif kind == 4:
        sound = sum(np.roll(speech(rng, voice), rng.integers(SAMPLES)) for voice in rng.permutation(VOICES)[:5])
    elif kind == 5:
        drops = white() * (rng.uniform(size=SAMPLES) < 10 ** rng.uniform(-3, -1)) * rng.exponential(1, SAMPLES)
        sound = band(drops, rng.uniform(300, 1500), rng.uniform(3000, 7500)) + 0.05 * white()
    elif kind == 6:
        gusts = np.interp(t, np.arange(0, SECONDS + 1, 0.5), rng.exponential(1, 2 * SECONDS + 2))
        sound = band(white(), 20, rng.uniform(80, 400)) * gusts + 0.02 * white()
    else:
        sound = sum(np.sin(2 * np.pi * 50 * n * t + rng.uniform(0, 6)) / n ** rng.uniform(0.5, 1.5)
                    for n in range(1, 20)) + 0.1 * white()
    return sound / np.std(sound)


def loudspeaker(rng, x):
    """Anything from a good one to a cheap one that clips."""
    peak = np.max(np.abs(x)) + 1e-9
    x = x / peak
    if rng.uniform() < 0.7:
        if rng.uniform() < 0.5:
            gain = rng.uniform(0.5, 3)
            x = np.tanh(gain * x) / gain
        if rng.uniform() < 0.5:
            x = x + rng.uniform(-0.2, 0.2) * x ** 2 + rng.uniform(-0.2, 0.2) * x ** 3
        if rng.uniform() < 0.4:
            clip = rng.uniform(0.3, 0.9)
            x = np.clip(x, -clip, clip)
    edges = [rng.uniform(60, 350), rng.uniform(3500, 7800)]
    return sosfilt(butter(rng.integers(1, 3), edges, "band", fs=RATE, output="sos"), x * peak)


def lesson(number):
    rng = np.random.default_rng(7_000_000 + number)
    faint = rng.uniform() < 0.2
    far_voice, near_voice = rng.permutation(VOICES)[:2]
    far_busy, near_busy = rng.choice([0.3, 0.6, 0.8, 1.0]), rng.choice([0.0, 0.2, 0.4, 0.6, 0.8])
    far = source(rng, far_voice, 0.08) * script(rng, far_busy) * 10 ** (rng.uniform(-32, -16) / 20)
    far = np.clip(far, -1, 1)
    near = source(rng, near_voice, 0.1) * script(rng, near_busy)
    if faint and rng.uniform() < 0.4:
        late = int(rng.uniform(0.1, 0.6) * RATE)
        far = np.clip(np.concatenate([np.zeros(late), near])[:SAMPLES] * 10 ** (rng.uniform(-32, -16) / 20), -1, 1)

    size = rng.uniform([1.5, 1.5, 2.2], [8, 7, 4])
    mic = size * rng.uniform(0.15, 0.85, 3)
    away = rng.standard_normal(3)
    loud = np.clip(mic + away / np.linalg.norm(away) * rng.uniform(0.05, 0.4), 0.05, size - 0.05)
    talker = np.clip(mic + rng.uniform([-1.2, -1.2, -0.3], [1.2, 1.2, 0.3]), 0.2, size - 0.2)
    rt60 = rng.uniform(0.08, 0.6)
    ppm = rng.uniform(-120, 120) if rng.uniform() < 0.5 else 0
    played = drifted(loudspeaker(rng, far), ppm)
    echo = fftconvolve(played, room_response(size, loud, mic, rt60))[:SAMPLES]
    if rng.uniform() < 0.35:
        moved = room_response(size, np.clip(loud + rng.uniform(-0.06, 0.06, 3), 0.03, size - 0.03), mic, rt60)
        other = fftconvolve(played, moved)[:SAMPLES]
        t, share = np.arange(SAMPLES) / RATE, np.zeros(SAMPLES)
        for at in rng.uniform(2, SECONDS, rng.integers(1, 4)):
            share = np.abs(share - np.clip((t - at) / rng.uniform(0.01, 0.5), 0, 1))
        echo = echo * (1 - share) + other * share
    echo = np.concatenate([np.zeros(int(rng.uniform(0.01, 0.3) * RATE)), echo])[:SAMPLES]
    near = fftconvolve(near, room_response(size, talker, mic, rt60))[:SAMPLES]

    active = lambda x: np.sqrt(np.mean(x[np.abs(x) > 0.05 * np.max(np.abs(x))] ** 2)) if np.any(x) else 1.0
    ratio = rng.choice([rng.uniform(10, 50), 200]) if faint else rng.uniform(-15, 14)
    near *= 0.05 / active(near)
    echo *= 0.05 * 10 ** (-ratio / 20) / active(echo)
    without = near + noise(rng) * 0.05 * 10 ** (rng.choice([-90, rng.uniform(-50, -10)], p=[0.1, 0.9]) / 20)
    # The microphone's own colour, and how loud it is.
    colour = rng.uniform(-0.7, 0.7)
    mic, without = (x + colour * np.concatenate([[0], x[:-1]]) for x in (without + echo, without))
    scale = min(10 ** (rng.uniform(-16, 4) / 20), 0.9 / np.max(np.abs(mic)))
    return np.stack([far, mic * scale, without * scale], axis=1)


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    os.makedirs(folder, exist_ok=True)
    for number in range(first, first + count):
        name = f"{folder}/l{number:04}.wav"
        if os.path.exists(name):
            continue
        sound = resample_poly(lesson(number), 3, 1, axis=0)
        soundfile.write(name, np.clip(sound, -1, 1), 48000, subtype="PCM_16")


if __name__ == "__main__":
    main()
