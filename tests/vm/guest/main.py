"""Runs every check of this folder and prints one table.

A check is a file check_N_NAME.py with `run(guest)`, which calls `guest.row` for
each claim. An exception is a failed row; the other checks go on. One with
`INIT = "systemd"` runs where systemd is the first process, one with "counted" on
a processor that counts its instructions, and one with `ONLY_WHEN_NAMED`
where VM_CHECKS names it.
"""

import importlib
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

from box import CALLBOX
from gpio_sim import Chip


class Guest:
    """What the checks share."""

    def __init__(self):
        self.rows = []
        self.check = ""
        # What is to be done when the table is printed: the machine may not outlive it.
        self.last_words = None
        # The chip of a Raspberry Pi 4 as far as user space can tell: its real board file fits.
        self.chip = Chip("pinctrl-bcm2711", 58)

    def row(self, claim, measured, ok=None, limit=""):
        """One claim and what came of it; without a verdict it is a figure for people."""
        verdict = "seen" if ok is None else "ok" if ok else "FAILED"
        self.rows.append((self.check, claim, measured, limit, verdict))
        print(f"vm: {verdict:6} {self.check}: {claim}: {measured}"
              + (f" (limit {limit})" if limit else ""), flush=True)


def short(name):
    """`lines` of check_1_lines."""
    return name.split("_", 2)[2]


def wanted():
    """The checks to run here: those of VM_CHECKS, else all."""
    chosen = os.environ.get("VM_CHECKS", "").replace(",", " ").split()
    for name in sorted(path.stem for path in Path(__file__).parent.glob("check_*.py")):
        check = importlib.import_module(name)
        if getattr(check, "INIT", "busybox") != os.environ.get("VM_INIT", "busybox"):
            continue
        if short(name) in chosen or not chosen and not hasattr(check, "ONLY_WHEN_NAMED"):
            yield name, check


def main():
    guest = Guest()
    guest.chip.plug_in()
    kernel = os.uname()
    version = subprocess.run([CALLBOX, "--version"], capture_output=True, text=True).stdout.strip()
    print(f"vm: {version} on {kernel.machine}, Linux {kernel.release}", flush=True)
    for name, check in wanted():
        guest.check = short(name)
        begin = time.monotonic()
        try:
            check.run(guest)
        except Exception as error:
            traceback.print_exc(file=sys.stdout)
            guest.row("ran to its end", str(error) or type(error).__name__, False)
        subprocess.run(["killall", "-q", "-9", "callbox"])
        print(f"vm: {guest.check} took {time.monotonic() - begin:.0f} s", flush=True)
    failed = sum(row[4] == "FAILED" for row in guest.rows)
    for row in guest.rows:
        print("VM-ROW|" + "|".join(str(cell).replace("|", "/") for cell in row))
    print("VM-END", flush=True)
    if guest.last_words:
        guest.last_words()
    return 1 if failed or not guest.rows else 0


sys.exit(main())
