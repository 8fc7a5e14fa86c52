"""The watchdog bites when any one thread hangs: each in turn is stopped by
ptrace (SIGSTOP would stop the whole process), the beats to the service manager
must cease, and come back when it goes on.
"""

import ctypes
import os
import socket
import time
from pathlib import Path

from box import Box
from check_2_sound import CAPTURE, PLAYBACK

ADDRESS = "/run/notify"
ATTACH, DETACH = 16, 17
WALL = 0x40000000
# The watchdog of the unit; half of it is what systemd advises as the interval.
WATCHDOG = 15
# PATIENCE of src/system/pulse.rs, two looks, and a margin for emulation.
LONGEST = 14
# What must be among the threads, or the check would look at another program.
KNOWN = {"callbox", "alsa-capture", "alsa-playback", "audio-dsp", "gpio-edge"}

libc = ctypes.CDLL("libc.so.6", use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Manager:
    """Hears what systemd would hear."""

    def __init__(self):
        Path(ADDRESS).unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(ADDRESS)

    def hears(self, word, seconds):
        """Whether a message with this line comes within the time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if word in self.socket.recv(4096).decode().splitlines():
                    return True
            except TimeoutError:
                break
        return False

    def silent_after(self, word, quiet, limit):
        """Seconds until the last such message, after which none comes for `quiet`; None if they go on."""
        begin = last = time.monotonic()
        while time.monotonic() - begin < limit + quiet:
            if self.hears(word, quiet):
                last = time.monotonic()
            else:
                return last - begin
        return None


def threads(process):
    """Names and ids of its threads."""
    folder = Path(f"/proc/{process}/task")
    return [((task / "comm").read_text().strip(), int(task.name)) for task in folder.iterdir()]


class Held:
    """One thread that does not run."""

    def __init__(self, process, name):
        self.thread = next(number for found, number in threads(process) if found == name)
        self._trace(ATTACH)
        os.waitpid(self.thread, WALL)

    def let_go(self):
        self._trace(DETACH)

    def reap(self):
        """A process ends only when whoever holds a thread of it has heard of that thread's end."""
        try:
            os.waitpid(self.thread, WALL | os.WNOHANG)
        except ChildProcessError:
            pass

    def _trace(self, request):
        if libc.ptrace(request, self.thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request} of {self.thread}")


def run(guest):
    manager = Manager()
    os.environ.update(NOTIFY_SOCKET=ADDRESS, WATCHDOG_USEC=str(WATCHDOG * 1_000_000))
    try:
        box = Box(capture=CAPTURE, playback=PLAYBACK)
    finally:
        del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
    guest.row("the service manager hears READY=1", "yes", manager.hears("READY=1", 20))
    box.registered()
    time.sleep(2)
    names = sorted({name for name, _ in threads(box.process.pid)})
    guest.row("its threads", ", ".join(names), KNOWN <= set(names))
    for name in names:
        held = Held(box.process.pid, name)
        silent = manager.silent_after("WATCHDOG=1", 3, LONGEST)
        held.let_go()
        back = manager.hears("WATCHDOG=1", 10)
        guest.row(f"a thread {name} that hangs starves the watchdog after",
                  f"{silent:.1f} s, and goes on" if silent is not None and back else f"{silent}, {back}",
                  silent is not None and back, f"{LONGEST} s")
    box.end()
