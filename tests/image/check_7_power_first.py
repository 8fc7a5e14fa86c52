"""The plug pulled at any moment of the first start, which takes the set-up, grows
the data partition and makes everything on it: the box starts again and registers.

Each moment is one write of a start that went well. The card of the next start
has what was flushed before it; of the rest, as with a card that sorts and
buffers, each write is there or not by chance. IMAGE_POINTS sets how many.
"""

import subprocess

from power import Log, starts


def run(rig):
    box = rig.box = rig.new_box("first")
    before, writes = rig.work / "before-first.img", rig.work / "writes-first"
    box.put("callbox-setup.toml", rig.setup)
    subprocess.run(["cp", "--sparse=always", box.card, before], check=True)
    box.start(log=writes)
    box.up()
    box.slot("good", 300)
    box.sh("sync")
    box.pull()
    starts(rig, "the first start", before, Log(writes, box.card), ["1.0.0"])
    box.drop()
    rig.box = None
    writes.unlink()
    before.unlink()
