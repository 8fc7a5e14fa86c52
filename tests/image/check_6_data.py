"""The data partition full, read-only, with a configuration that is spoilt, and
beyond repair: the box still registers and calls, with its last good
configuration, and says what is wrong.
"""

from check_1_start import CALL, press
from power import partition

DATA = 4


def serves(rig, box, what, word):
    """It registers, calls, and tells what is wrong."""
    box.registered()
    press(box, CALL)
    box.wait("in a call", 60, lambda: box.status().get("call") == "in-call")
    box.sh("callbox hangup")
    faults = box.wait("the fault", 20, lambda: [f for f in box.status()["faults"] if f["fault"] == "machine-trouble"])
    detail = faults[0]["detail"]
    rig.row(f"{what}: registered, a call, and says", detail[:60], word in detail)


def run(rig):
    box = rig.running()
    box.slot("good")
    # The copy outside every file system is made last.
    box.wait("the last good configuration is kept", 60, lambda: box.sh("test -s /data/update/checked", check=False)[0] == 0)

    box.sh("for n in 1M 4k 1k; do dd if=/dev/zero of=/data/filler$n bs=$n 2>/dev/null; done; sync", seconds=600)
    box.restart()
    box.up(400)
    serves(rig, box, "the data partition is full", "full")
    box.sh("rm -f /data/filler*; sync")

    # A card that has worn out takes no writes; pulled while it ran, its journal cannot even be cleaned up.
    box.sh("echo x >/data/update/unfinished; sync; rm /data/update/unfinished")
    box.pull()
    box.start(worn=True)
    box.up(400)
    serves(rig, box, "the whole card is read-only", "read-only")
    box.pull()

    box.start()
    box.up(400)
    box.registered()
    rig.row("the card takes writes again", "no fault", not [f for f in box.status()["faults"] if f["fault"] == "machine-trouble"])
    box.sh("echo 'spoilt = ' >/data/config/current/callbox.toml; sync")
    box.restart()
    box.up(400)
    serves(rig, box, "the configuration is spoilt", "the last good one is used")
    box.pull()

    start, length = partition(box.card, DATA)
    with open(box.card, "r+b") as card:
        card.seek(start)
        for _ in range(length >> 20):
            card.write(b"\xa5" * (1 << 20))
    box.start()
    box.up(400)
    serves(rig, box, "the data partition is beyond repair", "cannot be used")
    box.drop()
    rig.box = None
