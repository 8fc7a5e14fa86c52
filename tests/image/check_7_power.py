"""The plug pulled at any moment of the first start and of an update: the box
starts again, registers, and is the old or the new one.
"""

import random
import subprocess

from machine import Silent
from power import Log

POINTS = 20
# The boot loader's variables: the sector that decides which slot is started.
VARIABLES = 1 << 20


def points(log, seed):
    """Numbers of writes after which the plug is pulled: about every write to
    the variables, and spread over the rest."""
    chosen = set()
    for number in log.at(VARIABLES):
        chosen.update((number, number + 1))
    spread = random.Random(seed)
    last = len(log.writes)
    chosen = set(sorted(chosen)[:POINTS // 2])
    while len(chosen) < min(POINTS, last):
        chosen.add(spread.randrange(1, last + 1))
    return sorted(chosen)


def starts(rig, box, card, log, seed, versions, what):
    """Each card starts and registers; how many did, and with which versions."""
    done, good, seen = 0, 0, {}
    chosen = points(log, seed)
    for point in chosen:
        log.replay(card, done, point)
        done = point
        other = rig.new_copy(card, f"cut-{what}")
        try:
            other.start(restarts=True)
            other.up(240)
            version = other.registered(240)["update"]["version"]
            good += version in versions
            seen[version] = seen.get(version, 0) + 1
        except Silent as why:
            print(f"image-test: {what}: after write {point} of {len(log.writes)}: {why}", flush=True)
            (rig.keep / f"failed-{what}-{point}.log").write_text(other.console.read_text(errors="replace"))
        finally:
            other.drop()
    rig.row(f"plug pulled in {what}, seed {seed}: boxes that start and register",
            f"{good} of {len(chosen)}, versions {seen}, {len(log.writes)} writes", good == len(chosen), str(len(chosen)))


def run(rig):
    seed = random.randrange(10000)
    first = rig.new_box("first")
    first.put("callbox-setup.toml", rig.setup)
    before = first.folder / "before.img"
    subprocess.run(["cp", "--sparse=always", first.card, before], check=True)
    first.start(log=first.folder / "writes")
    first.up()
    first.slot("good", 240)
    first.sh("sync")
    first.pull()
    starts(rig, first, before, Log(first.folder / "writes"), seed, ["1.0.0"], "the first start")

    subprocess.run(["cp", "--sparse=always", first.card, before], check=True)
    first.start(restarts=True, log=first.folder / "writes")
    first.up()
    first.registered()
    with rig.server(rig.bundles.make("1.1.0")) as url:
        first.sh(f"callbox update --no-restart {url}", seconds=400)
    first.restart()
    first.up(400)
    first.slot("good", 240)
    first.pull()
    starts(rig, first, before, Log(first.folder / "writes"), seed, ["1.0.0", "1.1.0"], "an update")
    first.drop()
