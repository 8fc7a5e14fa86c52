"""The real binary at work in the guest. The simulated voice core is outside."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

CALLBOX = "/usr/bin/callbox"
SOCKET = "/run/callbox.sock"
CORE = os.environ["VM_CORE"]

CONFIG = """
[core]
endpoint = "http://{core}"
allow-plaintext = true
[auth]
method = "none"
[board]
file = "{board}"
backend = "gpiocdev"
[audio]
capture = "{capture}"
playback = "{playback}"
# A steady tone is steady noise, and is lowered; the checks are of the way to the card and back.
processing = "off"
[media]
codecs = ["pcmu"]
[contacts]
flat = "{number}"
[[button]]
name = "call"
press = {{ action = "call", to = ["flat"] }}
[[button]]
name = "hang-up"
press = {{ action = "{button_action}" }}
[[button]]
name = "quiet"
press = {{ action = "mute" }}
"""

# A door station with a second button on line 22, the exit button elsewhere,
# and a button beside a source of glitches on line 6.
BOARD = """
inherit = "rpi4-doorstation"
[[input]]
name = "exit"
offset = 4
[[button]]
name = "hang-up"
offset = 22
bias = "pull-up"
active-low = true
[[button]]
name = "quiet"
offset = 6
bias = "pull-up"
active-low = true
glitch-filter = "5ms"
"""


def configuration(folder, board="guest-door", capture="synth:silence", playback="synth:silence",
                  number="+4700000001", button_action="hang-up"):
    """Writes a box's configuration and its board into a folder; returns its file."""
    (folder / "board").mkdir(parents=True, exist_ok=True)
    (folder / "board/guest-door.toml").write_text(BOARD)
    file = folder / "callbox.toml"
    file.write_text(CONFIG.format(core=CORE, board=board, capture=capture, playback=playback,
                                  number=number, button_action=button_action))
    return file


def wait_for(what, seconds, look):
    """The first true answer of `look`, or an error that says what was missing."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Box:
    """`callbox run` on a board."""

    def __init__(self, log=None, more="", **settings):
        config = configuration(Path("/tmp"), **settings)
        with config.open("a") as file:
            file.write(more)
        self.log = Path("/tmp/callbox.log")
        environment = dict(os.environ, RUST_LOG=log or "warn,callbox=info")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [CALLBOX, "run", "--config", str(config), "--socket", SOCKET],
            stdout=subprocess.DEVNULL, stderr=self.log.open("wb"), env=environment)

    def ask(self, *words):
        """The output of a `callbox` command."""
        done = subprocess.run([CALLBOX, "--socket", SOCKET, *words], capture_output=True, text=True, timeout=30)
        return done.stdout

    def status(self):
        """`callbox status --json`, or an empty one while the box starts."""
        text = self.ask("status", "--json")
        return json.loads(text) if text else {}

    def until(self, what, seconds, look):
        """The first status for which `look` is true."""
        def asked():
            if self.process.poll() is not None:
                raise AssertionError(f"callbox ended with {self.process.returncode}: {self.tail()}")
            status = self.status()
            return status if status and look(status) else None
        return wait_for(what, seconds, asked)

    def registered(self):
        return self.until("registered", 30, lambda status: status["session"] == "registered")

    def events(self):
        """The event log so far."""
        return [json.loads(line) for line in self.ask("events", "--json").splitlines()]

    def follow_presses(self, button):
        """A list that grows by each press of a button that the appliance accepts from now on."""
        seen = []
        command = [CALLBOX, "--socket", SOCKET, "events", "--follow", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        last = max((event["seq"] for event in self.events()), default=0)

        def read():
            for line in process.stdout:
                event = json.loads(line)
                if event["seq"] > last and event["kind"] == "button" \
                        and (event["button"], event["gesture"]) == (button, "press"):
                    seen.append(event)

        threading.Thread(target=read, daemon=True).start()
        time.sleep(1.0)
        return seen

    def tail(self):
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-8:])

    def end(self):
        """SIGTERM; returns the exit status and how long it took."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        return status, time.monotonic() - begin

    def kill(self):
        """SIGKILL; returns when it was sent."""
        at = time.clock_gettime(time.CLOCK_MONOTONIC)
        self.process.kill()
        self.process.wait(10)
        return at
