"""The data partition full, read-only, and beyond repair: the box still
registers and calls, with its last good configuration, and says what is wrong.
"""

import struct

from check_1_start import CALL, press

SECTOR = 512
DATA = 4


def partition(card, number):
    """Where a partition begins and how long it is, in bytes, from the partition table."""
    with open(card, "rb") as file:
        file.seek(446 + 16 * (number - 1) + 8)
        start, length = struct.unpack("<II", file.read(8))
    return start * SECTOR, length * SECTOR


def serves(rig, box, what):
    """It registers, calls, and tells what is wrong."""
    box.registered()
    press(box, CALL)
    box.wait("in a call", 60, lambda: box.status().get("call") == "in-call")
    box.sh("callbox hangup")
    fault = box.wait("the fault", 20, lambda: [f for f in box.status()["faults"] if f["fault"] == "machine-trouble"])
    detail = fault[0]["detail"]
    rig.row(f"the data partition {what}: registered, a call, and", detail[:70], "data partition" in detail)


def run(rig):
    box = rig.running()
    box.sh("for n in 1M 4k 1k; do dd if=/dev/zero of=/data/filler$n bs=$n 2>/dev/null; done; sync", seconds=400)
    box.restart()
    box.up(300)
    serves(rig, box, "is full")
    box.sh("rm -f /data/filler*; sync")

    # A card that has worn out refuses writes: the partition's first mount fails to write, and is read-only.
    box.sh("mount -o remount,ro /data && systemctl stop callbox && umount -l /etc/callbox; rm -f /run/callbox-image/trouble;"
           "systemctl restart callbox-data; systemctl start callbox", check=False)
    serves(rig, box, "is read-only")

    box.pull()
    start, length = partition(box.card, DATA)
    with open(box.card, "r+b") as card:
        card.seek(start)
        card.write(b"\xa5" * min(length, 64 << 20))
    box.start()
    box.up(300)
    serves(rig, box, "is beyond repair")
    box.drop()
    rig.box = None
