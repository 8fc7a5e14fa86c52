"""The plug pulled at any moment of an update, from the first byte to the new slot
found good: the box starts again, registers, and is the old or the new one.
The moments are as in the first start's check.
"""

import random
import subprocess

from power import SECTOR, SEED, VARIABLES, Log, starts, version_after

VERSIONS = ["1.0.0", "1.1.0"]


def run(rig):
    box = rig.running()
    box.slot("good", 300)
    box.sh("sync")
    box.pull()
    before, writes = rig.work / "before-update.img", rig.work / "writes-update"
    subprocess.run(["cp", "--sparse=always", box.card, before], check=True)
    box.start(log=writes)
    box.up(300)
    box.registered()
    with rig.server(rig.bundles.make("1.1.0")) as url:
        box.sh(f"callbox update --no-restart {url}", seconds=600)
    box.restart()
    box.up(400)
    box.slot("good", 300)
    box.sh("sync")
    box.pull()
    starts(rig, "an update", before, Log(writes, box.card), VERSIONS)

    # What a log cannot show: a card that spoils the one sector that decides.
    with open(box.card, "r+b") as card:
        card.seek(VARIABLES)
        card.write(random.Random(SEED).randbytes(SECTOR))
    spoilt = rig.new_copy(box.card, "cut")
    version = version_after(rig, spoilt, "the variables' sector is spoilt")
    rig.row("the boot loader's variables are spoilt: starts and registers", version, version in VERSIONS)
    box.drop()
    rig.box = None
    writes.unlink()
    before.unlink()
