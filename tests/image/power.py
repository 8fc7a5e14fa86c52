"""Power cuts: QEMU keeps a log of every write to the card, and a card as it
was after any of them can be made of it.
"""

import struct
from pathlib import Path

SECTOR = 512
DISCARD = 4


def partition(card, number):
    """Where a partition begins and how long it is, in bytes, from the partition table."""
    with open(card, "rb") as file:
        file.seek(446 + 16 * (number - 1) + 8)
        start, length = struct.unpack("<II", file.read(8))
    return start * SECTOR, length * SECTOR


class Log:
    """The format of the kernel's dm-log-writes, which QEMU's blklogwrites writes."""

    def __init__(self, path):
        self.path = Path(path)
        self.writes = []
        with self.path.open("rb") as file:
            magic, _, entries, size = struct.unpack("<QQQI", file.read(28))
            if magic != 0x6A736677736872:
                raise AssertionError("no log of writes")
            at = size
            for _ in range(entries):
                file.seek(at)
                sector, count, flags, length = struct.unpack("<QQQQ", file.read(32))
                at += size
                if flags & DISCARD or not count:
                    continue
                self.writes.append((sector * size, count * size, at))
                at += count * size

    def replay(self, card, first, last):
        """Makes a card that has the writes before `first` one that has those before `last`."""
        with self.path.open("rb") as log, open(card, "r+b") as out:
            for to, length, at in self.writes[first:last]:
                log.seek(at)
                out.seek(to)
                out.write(log.read(length))

    def at(self, offset):
        """The numbers of the writes to an offset of the card."""
        return [number for number, (to, length, _) in enumerate(self.writes) if to <= offset < to + length]
