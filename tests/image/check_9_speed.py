"""How long the box takes from user space to registered, beside the time that
Debian takes to start nothing at all: the same kernel, initrd and packages as
Debian would start them. The processor is counted, one instruction a
nanosecond, so that the figures are the same on a busy machine.
"""

import json
import os
import shutil
import subprocess

from power import partition

SLOT_A = 2
# Seconds that the box may take longer.
LIMIT = 2.0
# Where Debian takes so much longer than the box it waited for something, and nothing is compared.
WAITED = 20.0


def user_space(box, unit_end):
    """Seconds from the first process to the moment that a script prints in microseconds since the kernel's start."""
    begin, end = box.sh(f"systemctl show -p UserspaceTimestampMonotonic --value; {unit_end}").splitlines()
    return (int(end) - int(begin)) / 1e6


def registered(box):
    """When the box registered, in microseconds since the kernel's start."""
    started = int(box.sh("systemctl show -p ExecMainStartTimestampMonotonic --value callbox.service"))
    event = json.loads(box.sh("callbox events --json | grep -m 1 '\"registered\"'"))
    return started + event["t_us"]


def run(rig):
    # Not its first start: that takes the set-up as well.
    box = rig.running()
    box.slot("good")
    box.sh("(sleep 1; systemctl poweroff) >/dev/null 2>&1 &")
    box.ended(120)
    box.start(counted=True)
    box.up(400)
    box.registered(400)
    ours = user_space(box, f"echo {registered(box)}")
    box.wait("started", 400, lambda: box.sh("systemctl is-system-running", check=False)[1] in ("running", "degraded"))
    plot = box.sh("systemd-analyze plot", seconds=300)
    rig.keep.joinpath("boot.svg").write_text(plot)
    rig.row("boot stages as a picture", f"{rig.keep.name}/boot.svg", plot.lstrip().startswith("<?xml"))
    rig.keep.joinpath("boot.txt").write_text(box.sh(
        "systemd-analyze time; systemd-analyze blame --no-pager; systemd-analyze critical-chain callbox.service --no-pager", seconds=300))
    box.drop()
    rig.box = None

    slot = rig.work / "empty.ext4"
    subprocess.run(["image/slot.sh", "virt", "0", "/dev/null", slot], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"CALLBOX_SLOT_HOOK": "tests/image/empty.sh", "CALLBOX_KEYRING": f"{rig.given.keys}/keyring.pem"})
    empty = rig.new_box("empty")
    rig.box = empty
    with open(slot, "rb") as data, open(empty.card, "r+b") as card:
        card.seek(partition(empty.card, SLOT_A)[0])
        shutil.copyfileobj(data, card)
    empty.start(counted=True)
    empty.up(600)
    empty.wait("started", 600, lambda: empty.sh("systemctl is-system-running", check=False)[1] in ("running", "degraded"))
    theirs = user_space(empty, "systemctl show -p ActiveEnterTimestampMonotonic --value multi-user.target")
    rig.keep.joinpath("empty.txt").write_text(empty.sh("systemd-analyze time; systemd-analyze blame --no-pager", seconds=300))
    empty.drop()
    rig.box = None
    rig.row("user space to all started, Debian with nothing to do", f"{theirs:.2f} s of one instruction a nanosecond",
            theirs <= ours + WAITED, f"the box's + {WAITED:.0f} s")
    rig.row("user space to registered", f"{ours:.2f} s, {ours - theirs:+.2f} s", ours - theirs <= LIMIT, f"+{LIMIT:.1f} s")
