#!/usr/bin/env python3
"""Runs the scenes through what others use.

    peers.py SCENES OUT NAME...

NAME is `none` (the microphone as it is), `perfect` (its near end, and its noise 12 dB lower: the best that these scores
give here), `libwebrtc` (echo cancelling, noise suppression and high-pass of the C++
original, PyPI livekit) or `speexdsp` (Debian's libspeexdsp1: canceller of 250 ms at 16 kHz with its preprocessor).
"""
import ctypes
import os
import sys
import time

import numpy as np
import soundfile
from scipy.signal import resample_poly


def none(both):
    return both[:, 1]


def perfect(scene):
    truth = np.load(scene.replace(".wav", ".npz"), allow_pickle=True)
    return resample_poly(truth["near"] + 0.25 * truth["noise"], 3, 1)


def libwebrtc(both):
    from livekit.rtc import AudioFrame
    from livekit.rtc.apm import AudioProcessingModule
    module = AudioProcessingModule(echo_cancellation=True, noise_suppression=True, high_pass_filter=True)
    sound, out = (both * 32767).astype(np.int16), np.zeros(len(both), np.int16)
    for at in range(0, len(both) - 479, 480):
        far = AudioFrame(bytearray(sound[at:at + 480, 0].tobytes()), 48000, 1, 480)
        mic = AudioFrame(bytearray(sound[at:at + 480, 1].tobytes()), 48000, 1, 480)
        module.process_reverse_stream(far)
        module.set_stream_delay_ms(0)
        module.process_stream(mic)
        out[at:at + 480] = np.frombuffer(mic._data, np.int16)
    return out / 32768.0


def speexdsp(both):
    lib = ctypes.CDLL("libspeexdsp.so.1")
    lib.speex_echo_state_init.restype = ctypes.c_void_p
    lib.speex_preprocess_state_init.restype = ctypes.c_void_p
    frame, rate = 160, ctypes.c_int(16000)
    echo = ctypes.c_void_p(lib.speex_echo_state_init(frame, 8192))
    lib.speex_echo_ctl(echo, 24, ctypes.byref(rate))
    clean = ctypes.c_void_p(lib.speex_preprocess_state_init(frame, 16000))
    lib.speex_preprocess_ctl(clean, 24, echo)
    sound = (resample_poly(both, 1, 3, axis=0) * 32767).astype(np.int16)
    out = np.zeros(len(sound), np.int16)
    short = lambda x: x.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))
    for at in range(0, len(sound) - frame + 1, frame):
        far, mic = (np.ascontiguousarray(sound[at:at + frame, i]) for i in (0, 1))
        got = np.zeros(frame, np.int16)
        lib.speex_echo_cancellation(echo, short(mic), short(far), short(got))
        lib.speex_preprocess_run(clean, short(got))
        out[at:at + frame] = got
    return resample_poly(out / 32768.0, 3, 1)


def main():
    scenes, folder = sys.argv[1:3]
    for name in sys.argv[3:]:
        os.makedirs(f"{folder}/{name}", exist_ok=True)
        spent = seconds = 0.0
        for file in sorted(f for f in os.listdir(scenes) if f.endswith(".wav")):
            both, rate = soundfile.read(f"{scenes}/{file}")
            begin = time.process_time()
            if name == "perfect":
                out = perfect(f"{scenes}/{file}")
            else:
                out = {"none": none, "libwebrtc": libwebrtc, "speexdsp": speexdsp}[name](both)
            spent += time.process_time() - begin
            seconds += len(both) / rate
            soundfile.write(f"{folder}/{name}/{file}", np.clip(out, -1, 1), rate, subtype="PCM_16")
        print(f"{name}: {spent / seconds * 1e4:.0f} us a frame, its driver in Python included")


if __name__ == "__main__":
    main()
