"""The watchdog does not bite a healthy box: calls one after the other, with sound
through the kernel, beside a load that takes all the rest of the processor.
VM_MINUTES of it, 30 where nobody says.
"""

import os
import subprocess
import threading
import time

from box import Box
from check_1_lines import CALL, SECOND
from check_2_sound import ANSWERED, CAPTURE, PLAYBACK
from check_5_watchdog import ADDRESS, WATCHDOG, Manager

ONLY_WHEN_NAMED = True
MINUTES = float(os.environ.get("VM_MINUTES", "30"))
TALK = 10
LOAD = ["sh", "-c", "while :; do :; done"]


class Beats(threading.Thread):
    """The longest time between two beats."""

    def __init__(self, manager):
        super().__init__(daemon=True)
        self.manager, self.count, self.longest = manager, 0, 0.0
        self.last = time.monotonic()
        self.start()

    def run(self):
        while True:
            if self.manager.hears("WATCHDOG=1", 60):
                now = time.monotonic()
                self.count += 1
                self.longest = max(self.longest, now - self.last)
                self.last = now


def call(guest, box):
    """One call from press to hang-up; whether it was answered."""
    lamp = guest.chip.output(ANSWERED)
    for line, lit, wait in ((CALL, True, 30), (SECOND, False, 10)):
        contact = guest.chip.input(line)
        contact.set(True)
        seen = lamp.wait(lit, wait)
        contact.set(False)
        if seen is None:
            return False
        if lit:
            time.sleep(TALK)
    box.until("idle", 20, lambda status: status["call"] == "idle")
    # Longer than a second press is ignored.
    time.sleep(2)
    return True


def run(guest):
    manager = Manager()
    os.environ.update(NOTIFY_SOCKET=ADDRESS, WATCHDOG_USEC=str(WATCHDOG * 1_000_000))
    box = Box(capture=CAPTURE, playback=PLAYBACK)
    del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
    box.registered()
    load = [subprocess.Popen(LOAD) for _ in range(2)]
    beats = Beats(manager)
    calls = failed = 0
    end = time.monotonic() + MINUTES * 60
    while time.monotonic() < end:
        calls += 1
        failed += not call(guest, box)
        if calls % 20 == 0:
            print(f"vm: {calls} calls, {failed} failed, longest pause {beats.longest:.1f} s", flush=True)
    for process in load:
        process.kill()
    longest = max(beats.longest, time.monotonic() - beats.last)
    guest.row(f"longest pause of the beats in {MINUTES:.0f} min of calls under load",
              f"{longest:.1f} s of {beats.count} beats, {calls} calls", longest < WATCHDOG, f"{WATCHDOG} s")
    guest.row("calls that came about meanwhile", f"{calls - failed} of {calls}", failed == 0)
    box.end()
