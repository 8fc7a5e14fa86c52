"""The unit as the package brings it, under a real systemd: ready when the box
serves, lines and sound from within its sandbox, started again after a kill and
a hang, left alone with a wrong configuration, and the ladder's last step.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from box import CALLBOX, configuration, wait_for
from check_1_lines import CALLING, SECOND
from check_2_sound import CAPTURE, PLAYBACK
from check_5_watchdog import Held, threads

INIT = "systemd"
FOLDER = Path("/etc/callbox")
REBOOTS = Path("/var/lib/callbox-ladder/reboots")
WATCHDOG = 15
# The patience of a pulse, the watchdog, a second to start again, and a margin for emulation.
LONGEST = 10 + WATCHDOG + 10


def systemctl(*words, check=True):
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=120, check=check).stdout.strip()


def show(name, *unit):
    """One property of the unit."""
    return systemctl("show", "--value", "--property", name, *(unit or ["callbox.service"]))


def status():
    done = subprocess.run([CALLBOX, "status", "--json"], capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout) if done.stdout else {}


def registered():
    return wait_for("registered", 40, lambda: status().get("session") == "registered")


def journal(unit="callbox.service"):
    return subprocess.run(["journalctl", "--no-pager", "-q", "-u", unit], capture_output=True, text=True).stdout


def again(guest, what, limit, do, reap=lambda: None):
    """Does something to the main process; a row for how soon another one is registered."""
    before, restarts = show("MainPID"), int(show("NRestarts"))
    if before == "0":
        raise AssertionError(f"before {what} it does not run: {journal()[-900:]}")
    begin = time.monotonic()
    do(int(before))

    def another():
        reap()
        return show("MainPID") not in (before, "0") and show("ActiveState") == "active"

    wait_for(f"another process after {what}", limit, another)
    started = time.monotonic() - begin
    registered()
    guest.row(f"{what}: started again after", f"{started:.1f} s, registered after {time.monotonic() - begin:.1f} s",
              started < limit and int(show("NRestarts")) == restarts + 1, f"{limit} s")


def press(guest, claim):
    """A row for whether a press lights its lamp."""
    contact, lamp = guest.chip.input(SECOND), guest.chip.output(CALLING)
    lamp.wait(False, 5)
    time.sleep(0.2)
    contact.set(True)
    lit = lamp.wait(True, 3)
    contact.set(False)
    guest.row(claim, "yes" if lit else "no", lit is not None)


def run(guest):
    configuration(FOLDER, capture=CAPTURE, playback=PLAYBACK)
    # As the package's notes say: its group may read it, others may not.
    subprocess.run(["chown", "-R", "root:callbox", str(FOLDER)], check=True)
    subprocess.run(["chmod", "640", str(FOLDER / "callbox.toml")], check=True)
    machine = systemctl("show", "--value", "--property", "RuntimeWatchdogUSec")
    guest.row("the machine's own watchdog is fed by systemd", machine, machine == "15s" and Path("/dev/watchdog0").exists())

    # The rules of the package give the lines to its group.
    subprocess.run(["udevadm", "settle"], check=True)
    begin = time.monotonic()
    systemctl("start", "callbox.service", check=False)
    if show("ActiveState") != "active":
        raise AssertionError(f"callbox.service did not start: {journal()[-600:]}")
    guest.row("`systemctl start` returns when the box serves",
              f"{show('ActiveState')} after {time.monotonic() - begin:.1f} s, {show('StatusText')[:30]!r}",
              show("ActiveState") == "active" and show("StatusText").startswith("session "))
    now = registered()
    user = Path(f"/proc/{show('MainPID')}").owner()
    guest.row("it is registered, and runs as", user, now and user == "callbox")
    time.sleep(2)
    faults = [f"{fault['fault']}: {fault['detail']}" for fault in status()["faults"]]
    guest.row("lines and sound from within the sandbox: faults", ", ".join(faults) or "none", not faults, "none")
    press(guest, "a press lights its lamp")
    realtime = [name for name, number in threads(show("MainPID")) if os.sched_getscheduler(number) == os.SCHED_FIFO]
    guest.row("threads with real-time priority", ", ".join(sorted(realtime)),
              {"alsa-capture", "alsa-playback", "audio-dsp"} <= set(realtime))

    again(guest, "kill -9", 15, lambda pid: os.kill(pid, signal.SIGKILL))
    press(guest, "a press lights its lamp after it")

    held = []
    again(guest, "one thread that hangs", LONGEST, lambda pid: held.append(Held(pid, "audio-dsp")),
          lambda: held[0].reap())
    guest.row("the journal says why", "watchdog" if "Watchdog timeout" in journal() else journal()[-200:],
              "Watchdog timeout" in journal())
    again(guest, "the whole process stopped", LONGEST, lambda pid: os.kill(pid, signal.SIGSTOP))

    # So many starts on purpose are not to count.
    systemctl("reset-failed", "callbox.service")
    good = (FOLDER / "callbox.toml").read_text()
    (FOLDER / "callbox.toml").write_text("endpont = 1\n" + good)
    systemctl("restart", "callbox.service", check=False)
    wait_for("a failure", 20, lambda: show("ActiveState") == "failed")
    time.sleep(4)
    ladder = journal("callbox-ladder.service")
    guest.row("a wrong configuration: not tried again, no reboot",
              f"{show('ActiveState')}, exit {show('ExecMainStatus')}, {show('NRestarts')} restarts",
              show("ExecMainStatus") == "2" and show("NRestarts") == "0" and "No reboot cures that" in ladder
              and not REBOOTS.exists())
    guest.row("the journal names the mistake", "endpont" if "endpont" in journal() else journal()[-200:],
              "callbox.toml:1:1" in journal())
    (FOLDER / "callbox.toml").write_text(good)

    # The budget of reboots is used up.
    REBOOTS.parent.mkdir(exist_ok=True)
    REBOOTS.write_text("3\n")
    crash()
    wait_for("the ladder", 30, lambda: "did not help" in journal("callbox-ladder.service"))
    guest.row("crashing without end: given up", f"{show('Result')}, 3 reboots before: {show('ActiveState')}",
              show("ActiveState") == "failed")
    guest.last_words = reboot


def crash():
    """Kills each process until systemd gives up."""
    systemctl("reset-failed", "callbox.service", "callbox-ladder.service", check=False)
    systemctl("start", "callbox.service")
    end = time.monotonic() + 90
    while show("ActiveState") != "failed" and time.monotonic() < end:
        pid = int(show("MainPID"))
        if pid:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)


def reboot():
    """The ladder's last step, with one reboot left. run.sh sees the machine start again."""
    REBOOTS.write_text("2\n")
    systemctl("stop", "callbox-ladder.service", check=False)
    crash()
    time.sleep(60)
    # Not reached where the ladder works.
    subprocess.run(["busybox", "poweroff", "-f"])
