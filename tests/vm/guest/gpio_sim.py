"""A GPIO chip of the kernel's own making (gpio-sim), with fingers on its
inputs and eyes on its outputs.
https://docs.kernel.org/admin-guide/gpio/gpio-sim.html
"""

import os
import time
from pathlib import Path


class Chip:
    """One simulated chip, found by its label as a real one is."""

    def __init__(self, label, lines):
        self.label = label
        self.lines = lines
        self.folder = Path("/sys/kernel/config/gpio-sim") / label

    def plug_in(self):
        """Makes the chip appear. It keeps its settings between plugs."""
        bank = self.folder / "bank0"
        bank.mkdir(parents=True, exist_ok=True)
        (bank / "num_lines").write_text(str(self.lines))
        (bank / "label").write_text(self.label)
        (self.folder / "live").write_text("1")
        device = (self.folder / "dev_name").read_text().strip()
        self.name = (bank / "chip_name").read_text().strip()
        self.sysfs = Path("/sys/devices/platform") / device / self.name

    def pull_out(self):
        """Makes the chip disappear under whoever uses it."""
        (self.folder / "live").write_text("0")

    def input(self, offset, active_low=True):
        """A contact on an input."""
        return Contact(self.sysfs / f"sim_gpio{offset}" / "pull", active_low)

    def output(self, offset):
        """What an output drives."""
        return Level(self.sysfs / f"sim_gpio{offset}" / "value")


class Contact:
    """Closes and opens; `active_low` closes to ground."""

    def __init__(self, path, active_low):
        self.file = os.open(path, os.O_WRONLY)
        self.closed, self.open = (b"pull-down", b"pull-up") if active_low else (b"pull-up", b"pull-down")

    def set(self, closed):
        """Returns the monotonic time just before the level changed, in seconds."""
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        os.pwrite(self.file, self.closed if closed else self.open, 0)
        return before


class Level:
    """The level of an output."""

    def __init__(self, path):
        self.path = path
        self.file = os.open(path, os.O_RDONLY)

    def high(self):
        """Whether it is high now."""
        return os.pread(self.file, 4, 0).startswith(b"1")

    def wait(self, high, seconds):
        """The monotonic time at which the level was seen, or None."""
        end = time.clock_gettime(time.CLOCK_MONOTONIC) + seconds
        while True:
            seen = self.high()
            now = time.clock_gettime(time.CLOCK_MONOTONIC)
            if seen == high:
                return now
            if now > end:
                return None
            # Long enough to let the box have the only processor, short beside what is measured.
            time.sleep(0.0002)
