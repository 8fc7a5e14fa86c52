"""When the kernel set an output, by its own trace: who measures by looking again
and again takes the only processor from what is measured.
https://docs.kernel.org/trace/events.html
"""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path("/sys/kernel/tracing")
LINE = re.compile(r" (\d+\.\d+): gpio_value: (\d+) set (\d)")
# The kernel's number of the first line of the first chip (GPIO_DYNAMIC_BASE).
BASE = 512


class Trace:
    """Follows the levels that are set, on the monotonic clock."""

    def __init__(self):
        if not (ROOT / "trace_clock").exists():
            subprocess.run(["mount", "-t", "tracefs", "tracefs", str(ROOT)], check=True)
        (ROOT / "trace_clock").write_text("mono")
        (ROOT / "events/gpio/gpio_value/enable").write_text("1")
        self.pipe = os.open(ROOT / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        self.rest = ""

    def since_last(self):
        """What was set since this was last asked: (seconds, offset of the line, level)."""
        text = self.rest
        while True:
            try:
                text += os.read(self.pipe, 65536).decode()
            except BlockingIOError:
                break
        whole, _, self.rest = text.rpartition("\n")
        return [(float(at), int(line) - BASE, level == "1") for at, line, level in LINE.findall(whole)]

    def end(self):
        """Stops following."""
        (ROOT / "events/gpio/gpio_value/enable").write_text("0")
        os.close(self.pipe)
