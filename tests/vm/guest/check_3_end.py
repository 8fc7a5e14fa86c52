"""How it ends: in good order at SIGTERM, and with every line at rest within a
second of `kill -9`, because the kernel takes the lines back.
"""

import time

from box import Box
from check_1_lines import CALL
from check_2_sound import ANSWERED


def in_a_call(guest, box):
    """Puts the box into a call: its lamp is lit."""
    call, answered = guest.chip.input(CALL), guest.chip.output(ANSWERED)
    call.set(True)
    lit = answered.wait(True, 20)
    call.set(False)
    if lit is None:
        raise AssertionError("no call")
    return answered


def run(guest):
    box = Box()
    box.registered()
    answered = in_a_call(guest, box)
    code, seconds = box.end()
    guest.row("SIGTERM in a call: exit code and time", f"{code}, {seconds:.2f} s", code == 0 and seconds < 5, "0, 5 s")
    guest.row("lamps after it", "lit" if answered.high() else "dark", not answered.high())

    box = Box()
    box.registered()
    answered = in_a_call(guest, box)
    killed = box.kill()
    dark = answered.wait(False, 5)
    took = dark - killed if dark else None
    guest.row("kill -9 in a call: an output is at its pull again after",
              f"{took * 1000:.0f} ms" if took is not None else "stays on", took is not None and took < 1, "1 s")
    box = Box()
    box.registered()
    guest.row("started again after kill -9: registered after", f"{time.monotonic() - box.started:.1f} s")
    box.end()
