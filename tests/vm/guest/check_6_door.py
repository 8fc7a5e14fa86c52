"""The strike: closed again by itself, and whatever way the box ends while it is
open. The kernel takes the line back, also after `kill -9`.
"""

import time

from box import Box

STRIKE = 26
PULSE = 5
DOOR = f'[door]\nallow-command = true\npulse = "{PULSE}s"\n'


def opened(guest):
    """A registered box whose strike is on, and the strike."""
    box = Box(more=DOOR)
    box.registered()
    strike = guest.chip.output(STRIKE)
    if strike.high():
        raise AssertionError("the strike is on before anybody asked")
    said = box.ask("open-door")
    if strike.wait(True, 3) is None:
        raise AssertionError(f"the strike is not on: {said}")
    return box, strike, time.clock_gettime(time.CLOCK_MONOTONIC)


def run(guest):
    box, strike, since = opened(guest)
    off = strike.wait(False, PULSE + 3)
    took = off - since if off else None
    guest.row("the strike goes off by itself after", f"{took:.2f} s" if took else "stays on",
              took is not None and took < PULSE + 0.5, f"{PULSE} s")
    box.end()

    box, strike, _ = opened(guest)
    killed = box.kill()
    off = strike.wait(False, 5)
    took = off - killed if off else None
    guest.row("kill -9 with the door open: the strike is off after", f"{took * 1000:.0f} ms" if took else "stays on",
              took is not None and took < 1, "1 s")

    box, strike, _ = opened(guest)
    code, seconds = box.end()
    guest.row("SIGTERM with the door open: the strike is", "on" if strike.high() else f"off, exit {code} after {seconds:.2f} s",
              not strike.high() and code == 0)
