"""A chip that disappears and comes back: a fault while it is gone, and buttons
and lamps that work again, without a restart.
"""

import time

from box import Box
from check_1_lines import CALLING, SECOND


def lost(status):
    return [fault for fault in status["faults"] if fault["fault"] == "line-lost"]


def run(guest):
    box = Box()
    box.registered()
    for turn in range(1, 4):
        begin = time.monotonic()
        guest.chip.pull_out()
        status = box.until("a fault for lost lines", 10, lost)
        guest.row(f"chip pulled out ({turn}): told after", f"{time.monotonic() - begin:.1f} s", True, "10 s")
        if turn == 1:
            detail = lost(status)[0]["detail"]
            guest.row("the fault names the lines and the cure", detail[:90],
                      "button call" in detail and "lamp status" in detail)
        begin = time.monotonic()
        guest.chip.plug_in()
        box.until("no fault any more", 15, lambda status: not lost(status))
        guest.row(f"plugged in again ({turn}): all lines back after", f"{time.monotonic() - begin:.1f} s", True, "15 s")
        contact, lamp = guest.chip.input(SECOND), guest.chip.output(CALLING)
        lamp.wait(False, 5)
        time.sleep(0.1)
        contact.set(True)
        lit = lamp.wait(True, 2)
        contact.set(False)
        guest.row(f"a press lights its lamp again ({turn})", "yes" if lit else "no", lit is not None)
    box.end()
