"""Power cuts: QEMU keeps a log of every write to the card, and of every time the
box waited for the card to have them safely. A card as it may be after the plug
was pulled at any moment is made of that.
"""

import os
import random
import struct
from pathlib import Path

from machine import Silent

# Moments at which the plug is pulled, of each kind of start; and the seed that chooses them.
POINTS = int(os.environ.get("IMAGE_POINTS", "20"))
SEED = int(os.environ.get("IMAGE_SEED", random.randrange(10000)))

SECTOR = 512
# Flags of an entry, as in the kernel's dm-log-writes, whose format it is.
FLUSH, DISCARD = 1, 4
MAGIC = 0x6A736677736872

# What lies where on the card; see image/image.sh.
VARIABLES = 1 << 20
AREAS = [("partition table", 0), ("variables", VARIABLES), ("last good configuration", 2 << 20), ("boot", 4 << 20)]


def partition(card, number):
    """Where a partition begins and how long it is, in bytes, from the partition table."""
    with open(card, "rb") as file:
        file.seek(446 + 16 * (number - 1) + 8)
        start, length = struct.unpack("<II", file.read(8))
    return start * SECTOR, length * SECTOR


class Log:
    """The writes to a card."""

    def __init__(self, path, card):
        self.path = Path(path)
        # Of each write: where to, how long, where in the log; and how many writes were safe when it was made.
        self.writes, self.safe = [], []
        self.areas = AREAS + [(name, partition(card, n)[0]) for name, n in [("slot A", 2), ("slot B", 3), ("data", 4)]]
        safe = 0
        with self.path.open("rb") as file:
            magic, _, entries, size = struct.unpack("<QQQI", file.read(28))
            if magic != MAGIC:
                raise AssertionError("no log of writes")
            at = size
            for _ in range(entries):
                file.seek(at)
                sector, count, flags, _ = struct.unpack("<QQQQ", file.read(32))
                at += size
                if not count and not flags & (FLUSH | DISCARD):
                    raise AssertionError("a write is missing from the log")
                if flags & FLUSH:
                    safe = len(self.writes)
                if flags & DISCARD or not count:
                    continue
                self.writes.append((sector * size, count * size, at))
                self.safe.append(safe)
                at += count * size

    def area(self, number):
        """The part of the card that a write went to."""
        to = self.writes[number][0]
        return [name for name, begin in self.areas if begin <= to][-1]

    def points(self, count, chance):
        """That many writes to pull the plug at: as many in each area of the card."""
        left = {}
        for number in range(len(self.writes)):
            left.setdefault(self.area(number), []).append(number)
        for numbers in left.values():
            chance.shuffle(numbers)
        chosen = []
        while len(chosen) < count and any(left.values()):
            chosen += [numbers.pop() for numbers in left.values() if numbers]
        return sorted(chosen[:count])

    def replay(self, card, first, last):
        """Makes a card that has the writes before `first` one that has those before `last`."""
        with self.path.open("rb") as log, open(card, "r+b") as out:
            for to, length, at in self.writes[first:last]:
                self._write(log, out, to, length, at)

    def cut(self, card, number, chance):
        """The plug is pulled during a write. The card has those before the last flush; of the others it
        may have finished any, in any order, and of this one some sectors: each is there by chance."""
        with self.path.open("rb") as log, open(card, "r+b") as out:
            for to, length, at in self.writes[self.safe[number]:number]:
                if chance.random() < 0.5:
                    self._write(log, out, to, length, at)
            to, length, at = self.writes[number]
            self._write(log, out, to, chance.randrange(length // SECTOR + 1) * SECTOR, at)

    @staticmethod
    def _write(log, out, to, length, at):
        log.seek(at)
        out.seek(to)
        out.write(log.read(length))


def starts(rig, what, card, log, versions):
    """Each card starts and registers; how many did, with which versions, and where they were cut."""
    chance = random.Random(SEED)
    chosen = log.points(POINTS, chance)
    done, good, seen, areas = 0, 0, {}, {}
    for number in chosen:
        log.replay(card, done, log.safe[number])
        done = log.safe[number]
        box = rig.new_copy(card, "cut")
        log.cut(box.card, number, chance)
        area = log.area(number)
        areas[area] = areas.get(area, 0) + 1
        version = version_after(rig, box, f"{what}, cut in write {number} of {len(log.writes)}, to {area}")
        good += version in versions
        seen[version] = seen.get(version, 0) + 1
    rig.row(f"plug pulled in {what}, by area of the card", ", ".join(f"{area} {count}" for area, count in areas.items()))
    rig.row(f"plug pulled in {what}: starts and registers (seed {SEED})", f"{good} of {len(chosen)}, versions {seen}",
            good == len(chosen), str(len(chosen)))


def version_after(rig, box, what):
    """The version of a box that starts and registers, which then is thrown away; `None` if it does not."""
    try:
        box.start()
        box.up(300)
        update = box.wait("registered", 300, lambda: (s := box.status()).get("session") == "registered" and s.get("update"))
        print(f"image-test: {what}: {update['version']} {update['state']} after {box.since():.0f} s", flush=True)
        return update["version"]
    except Silent as why:
        print(f"image-test: {what}: {why}", flush=True)
        (rig.keep / f"failed-{rig.check}.log").write_text(box.console.read_text(errors="replace"))
        return None
    finally:
        box.drop()
