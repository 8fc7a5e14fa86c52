"""Whether the machine itself stood still: an emulated processor on a busy host
does, and what is measured across such a gap says nothing about the box.
"""

import threading
import time

STEP = 0.002


class Stalls:
    """A thread that wakes up every 2 ms and keeps the worst delay."""

    def __init__(self):
        self.worst = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while True:
            begin = time.monotonic()
            time.sleep(STEP)
            self.worst = max(self.worst, time.monotonic() - begin - STEP)

    def since_last(self):
        """The worst delay since this was last asked, in seconds."""
        worst, self.worst = self.worst, 0.0
        return worst
