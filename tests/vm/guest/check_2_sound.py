"""A call with sound through the kernel's ALSA: a button is pressed, the far end
answers, and a tone goes each way through the loopback card.
"""

import subprocess
import time
from pathlib import Path

import tone
from box import Box
from check_1_lines import CALL, SECOND

ANSWERED = 24
# What is played into sub-device N of one side of snd-aloop is recorded from N of the other.
CAPTURE, TO_MICROPHONE = "plughw:Loopback,1,1", "plughw:Loopback,0,1"
PLAYBACK, FROM_LOUDSPEAKER = "plughw:Loopback,0,0", "plughw:Loopback,1,0"
UP, DOWN = 700, 1000
# The phone that speaks and keeps what it hears.
TALKER = "+4700000011"
SECONDS = 6


def record(seconds, path):
    return subprocess.Popen(["arecord", "-q", "-D", FROM_LOUDSPEAKER, "-f", "S16_LE", "-r", "48000", "-c", "1",
                             "-d", str(seconds), str(path)])


def run(guest):
    heard, spoken = Path("/tmp/heard.wav"), Path("/tmp/spoken.wav")
    tone.write(spoken, UP, 60)
    # The visitor speaks all the time.
    voice = subprocess.Popen(["aplay", "-q", "-D", TO_MICROPHONE, str(spoken)])
    box = Box(capture=CAPTURE, playback=PLAYBACK, number=TALKER)
    box.registered()
    answered = guest.chip.output(ANSWERED)
    call, hang_up = guest.chip.input(CALL), guest.chip.input(SECOND)
    pressed = call.set(True)
    lit = answered.wait(True, 20)
    guest.row("a press makes a call, its lamp says so", f"{lit - pressed:.2f} s" if lit else "no", lit is not None)
    call.set(False)
    status = box.until("in-call", 10, lambda status: status["call"] == "in-call")
    time.sleep(1)
    xruns = status["audio"]["xruns"]
    recording = record(SECONDS, heard)
    recording.wait(60)
    status = box.status()
    guest.row("gaps in the sound card's work in the call", f"{status['audio']['xruns'] - xruns} in {SECONDS} s")
    hang_up.set(True)
    dark = answered.wait(False, 5)
    hang_up.set(False)
    guest.row("the other button ends it", "lamp dark" if dark else "lamp lit", dark is not None)
    box.until("idle", 10, lambda status: status["call"] == "idle")
    box.end()
    voice.kill()
    guest.row(f"{DOWN} Hz from the phone to the loudspeaker", *tone.judge(heard, DOWN))
