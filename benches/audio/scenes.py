#!/usr/bin/env python3
"""Makes echo scenes from public speech and seeds.

    scenes.py FOLDER [COUNT] [FIRST]

Each scene is FOLDER/sNN.wav (48 kHz, 16 bit; left = what is rendered, right = the microphone), with
FOLDER/sNN.npz: the microphone's parts (echo, near, noise) at 16 kHz and the script of who speaks when.
The rooms are image-source rooms (Allen and Berkley 1979); the speech is that of Debian's
asterisk-core-sounds packages (G.722, 16 kHz). Scene N depends on N only.
"""
import os
import subprocess
import sys

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

RATE = 16000
SOUNDS = "/usr/share/asterisk/sounds"
VOICES = {"en": "en_US_f_Allison", "it": "it_IT_m_Carlo"}
FILES = ["demo-instruct", "priv-callee-options", "demo-congrats", "conf-adminmenu-18", "demo-echotest",
         "screen-callee-options", "demo-abouttotry", "demo-moreinfo", "dir-intro", "conf-usermenu-162",
         "vm-options", "conf-adminmenu-162", "tt-monkeys"]
SPEED_OF_SOUND = 343.0

# far, near and double talk in three orders: the last one meets double talk before anything is learned
ORDERS = [("far", "near", "double"), ("near", "far", "double"), ("near", "double", "far")]
SECONDS = {"far": 9.0, "near": 8.0, "double": 10.0}


def speech(voice, rng, seconds):
    """So many seconds of a voice, the prompts in an order of the seed's, pauses of a third of a second."""
    parts, have = [], 0
    for name in rng.permutation(FILES):
        path = f"{SOUNDS}/{VOICES[voice]}/{name}.g722"
        if not os.path.exists(path):
            continue
        raw = subprocess.run(["ffmpeg", "-v", "error", "-f", "g722", "-i", path, "-f", "s16le", "-ar", str(RATE), "-"],
                             check=True, capture_output=True).stdout
        sound = np.frombuffer(raw, np.int16) / 32768.0
        loud = np.flatnonzero(np.abs(sound) > 0.01)
        if len(loud) < RATE:
            continue
        sound = sound[loud[0]:loud[-1]]
        parts += [sound / np.sqrt(np.mean(sound ** 2)), np.zeros(int(0.35 * RATE))]
        have += len(sound) + len(parts[-1])
        if have > seconds * RATE:
            return np.concatenate(parts)[:int(seconds * RATE)]
    raise SystemExit("not enough speech: run `make setup`")


def room_response(size, source, mic, rt60):
    """Impulse response of a shoebox by its image sources, reflection by Eyring's formula, at most half a second."""
    volume, surface = np.prod(size), 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    reflect = np.sqrt(np.exp(-24 * np.log(10) * volume / (SPEED_OF_SOUND * surface * rt60)))
    length = int(min(rt60, 0.5) * RATE)
    reach = SPEED_OF_SOUND * length / RATE
    axes = []
    for side, s, m in zip(size, source, mic):
        n = np.arange(-int(reach / (2 * side)) - 1, int(reach / (2 * side)) + 2)
        place = np.concatenate([2 * n * side + s, 2 * n * side - s])
        walls = np.concatenate([np.abs(2 * n), np.abs(2 * n - 1)])
        axes.append((place - m, walls))
    (dx, nx), (dy, ny), (dz, nz) = axes
    distance = np.sqrt(dx[:, None, None] ** 2 + dy[None, :, None] ** 2 + dz[None, None, :] ** 2)
    bounces = nx[:, None, None] + ny[None, :, None] + nz[None, None, :]
    near = distance < reach
    distance, bounces = distance[near], bounces[near]
    delay = distance / SPEED_OF_SOUND * RATE
    gain = reflect ** bounces / distance
    taps = np.arange(-20, 21)
    whole = np.round(delay).astype(int)
    response = np.zeros(length + 64)
    for tap in taps:
        at = whole + tap
        offset = at - delay
        weight = gain * np.sinc(offset) * (0.5 + 0.5 * np.cos(np.pi * offset / 21))
        ok = (at >= 0) & (at < len(response))
        response += np.bincount(at[ok], weight[ok], len(response))
    return response


def loudspeaker(x, kind):
    """A loudspeaker: linear, one that saturates, or a cheap one that is asymmetric and clips too."""
    peak = np.max(np.abs(x)) + 1e-9
    x = x / peak
    if kind == "soft":
        x = np.tanh(1.5 * x) / 1.5
    elif kind == "hard":
        x = x + 0.1 * x ** 2
        x = np.clip(x, -0.5, 0.5)
    return sosfilt(butter(2, [150, 7000], "band", fs=RATE, output="sos"), x * peak)


def drifted(x, ppm):
    """The same sound played by a clock that is wrong by so many parts per million."""
    if ppm == 0:
        return x
    fine = resample_poly(x, 16, 1)
    at = np.arange(len(x)) * (1 + ppm * 1e-6) * 16
    return np.interp(at, np.arange(len(fine)), fine)


def traffic(rng, samples):
    """Road noise: brown rumble, tyre hiss, and cars that come and go."""
    white = rng.standard_normal(samples)
    rumble = sosfilt(butter(1, 120, fs=RATE, output="sos"), white)
    hiss = sosfilt(butter(2, [500, 2500], "band", fs=RATE, output="sos"), rng.standard_normal(samples))
    t = np.arange(samples) / RATE
    passing = sum(np.exp(-((t - at) / wide) ** 2) for at, wide in
                  zip(rng.uniform(0, t[-1], 4), rng.uniform(1.5, 4, 4)))
    noise = (rumble / rumble.std() + hiss / hiss.std()) * (0.4 + passing)
    return noise / noise.std()


def scene(number):
    rng = np.random.default_rng(1000 + number)
    pick = lambda options: options[number % len(options)]
    what = dict(
        number=number,
        order=pick([0, 1, 0, 1, 0, 1, 2]),
        delay_ms=pick([20, 60, 120, 200, 300, 40, 90, 160]),
        speaker=pick(["none", "soft", "none", "hard", "soft"]),
        drift_ppm=pick([0, 100, 0, -100, 0, 50, -30, 0, 100]),
        near_to_echo_db=pick([6, 0, -6, -12]),
        noise_db=pick([-40, -30, -20, -40, -35, -15]),
        rt60=float(rng.uniform(0.12, 0.55)),
        path_change=bool(pick([0, 0, 1, 0, 0, 1, 0])),
    )
    far_voice, near_voice = ("en", "it") if number % 2 == 0 else ("it", "en")
    size = rng.uniform([2.5, 2.2, 2.3], [7, 6, 3.2])
    mic = size * rng.uniform(0.2, 0.8, 3)
    direction = rng.standard_normal(3)
    loud = mic + direction / np.linalg.norm(direction) * rng.uniform(0.06, 0.25)
    loud = np.clip(loud, 0.05, size - 0.05)
    talker = np.clip(mic + rng.uniform([-1, -1, -0.2], [1, 1, 0.2]), 0.3, size - 0.3)

    script, start = [], 0.0
    for kind in ORDERS[what["order"]]:
        script.append((kind, start, start + SECONDS[kind]))
        start += SECONDS[kind]
    samples = int(start * RATE)
    far, near = np.zeros(samples), np.zeros(samples)
    for kind, begin, end in script:
        a, b = int(begin * RATE), int((end - 0.3) * RATE)
        if kind != "near":
            far[a:b] = speech(far_voice, rng, (b - a) / RATE)
        if kind != "far":
            near[a:b] = speech(near_voice, rng, (b - a) / RATE)
    far *= 0.09
    far = np.clip(far, -1, 1)

    played = drifted(loudspeaker(far, what["speaker"]), what["drift_ppm"])
    response = room_response(size, loud, mic, what["rt60"])
    echo = fftconvolve(played, response)[:samples]
    if what["path_change"]:
        moved = room_response(size, np.clip(loud + rng.uniform(-0.04, 0.04, 3), 0.03, size - 0.03), mic, what["rt60"])
        other = fftconvolve(played, moved)[:samples]
        t = np.arange(samples) / RATE
        share = np.zeros(samples)
        for kind, begin, _ in script:
            if kind != "near":
                # away at four seconds, back at the end of the part
                share += np.clip((t - begin - 4) / 0.03, 0, 1) - np.clip((t - begin - SECONDS[kind]) / 0.03, 0, 1)
        echo = echo * (1 - share) + other * share
    delay = int(what["delay_ms"] * RATE / 1000)
    echo = np.concatenate([np.zeros(delay), echo])[:samples]
    near = fftconvolve(near, room_response(size, talker, mic, what["rt60"]))[:samples]

    active = lambda x: np.sqrt(np.mean(x[np.abs(x) > 0.05 * np.max(np.abs(x))] ** 2))
    near *= 0.05 / active(near)
    echo *= 0.05 * 10 ** (-what["near_to_echo_db"] / 20) / active(echo)
    noise = traffic(rng, samples) * 0.05 * 10 ** (what["noise_db"] / 20)
    total = np.max(np.abs(near + echo + noise))
    scale = min(1.0, 0.9 / total)
    return what, script, far, echo * scale, near * scale, noise * scale


def main():
    folder = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    os.makedirs(folder, exist_ok=True)
    for number in range(first, first + count):
        name = f"{folder}/s{number:02}"
        if os.path.exists(name + ".wav"):
            continue
        what, script, far, echo, near, noise = scene(number)
        both = np.stack([far, echo + near + noise], axis=1)
        both = np.clip(resample_poly(both, 3, 1, axis=0), -1, 1)
        np.savez_compressed(name + ".npz", echo=echo.astype(np.float32), near=near.astype(np.float32),
                            noise=noise.astype(np.float32), script=np.array(script, dtype=object), what=what)
        soundfile.write(name + ".wav", both, 48000, subtype="PCM_16")
        print(name, what, flush=True)


if __name__ == "__main__":
    main()
