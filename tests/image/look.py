#!/usr/bin/env python3
"""Looks into an image without starting it: what the firmware, the boot loader and
the kernel need is there, fits together and does not overlap in memory. For
boards that no machine here can be.

    tests/image/look.py rpi target/image/rpi/callbox-rpi-1.0.0.img
"""

import gzip
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import tree as device_tree
from power import SECTOR, VARIABLES, partition

# What a card is in.
CARD_HOSTS = ["brcm,bcm2711-emmc2", "brcm,bcm2835-sdhost"]
BOARDS = Path(__file__).parent.parent.parent / "image/boards"
MIB = 1 << 20
failed = 0


def claim(text, measured, ok):
    global failed
    failed += not ok
    print(f"image-look: {'ok' if ok else 'FAILED':6} {text}: {measured}")


def tool(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout


def piece(image, number, to):
    """A partition as a file of its own."""
    begin, length = partition(image, number)
    tool("dd", f"if={image}", f"of={to}", "bs=1M", "iflag=skip_bytes,count_bytes", f"skip={begin}", f"count={length}", "conv=sparse")
    return to


def listed(name, board):
    """The words of a board's list."""
    return [word for line in (BOARDS / board / name).read_text().splitlines() for word in line.split("#")[0].split()]


def main(board, image):
    work = Path(tempfile.mkdtemp())
    boot, slot, data = (piece(image, number, work / name) for number, name in [(1, "boot"), (2, "slot"), (4, "data")])
    trees = listed("trees", board)

    def there(path):
        return tool("debugfs", "-R", f"cat {path}", slot)

    files = {name.removeprefix("::/") for name in tool("mdir", "-b", "-i", boot, "::").decode().split()}
    needed = {"boot.scr", "callbox-setup.example.toml"}
    if board == "rpi":
        needed |= {"bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat", "u-boot.bin", "config.txt"}
        needed |= {Path(tree).name for tree in trees if "rpi-cm" not in tree}
        config = dict(re.findall(r"^(\w+)=(.*)$", tool("mtype", "-i", boot, "::config.txt").decode(), re.M))
        claim("the firmware's configuration starts a file that is there, in 64 bit", config["kernel"],
              config["kernel"] in files and config["arm_64bit"] == "1")
    claim("the boot partition has what the board starts from", f"{len(files)} files", not needed - files)
    script = work / "boot.scr"
    tool("mcopy", "-i", boot, "::boot.scr", script)
    raw = script.read_bytes()
    claim("the boot loader's script is whole", f"{len(raw)} bytes", struct.unpack(">I", raw[24:28])[0] == zlib.crc32(raw[64:]))
    claim("nothing is left to be filled in", "no @NAME@", not re.search(rb"@[A-Z_]+@", raw))

    kernel = there("/boot/kernel")
    size = struct.unpack("<Q", kernel[16:24])[0]
    version = re.search(rb"Linux version (\S+)", kernel)
    version = version[1].decode() if version else ""
    claim("the slot's kernel is one for arm64", f"{size // MIB} MiB in memory", kernel[56:60] == b"ARM\x64")
    initrd = gzip.decompress(there("/boot/initrd"))
    modules = set(re.findall(rb"vermagic=(\S+)", initrd))
    folders = re.findall(rb"\d\S*-arm64", tool("debugfs", "-R", "ls /usr/lib/modules", slot))
    claim("initrd and slot have that kernel's modules", f"{folders[0].decode()}, {len(re.findall(rb'modules/[0-9]+-', initrd))} in the initrd",
          modules == {folders[0]} and len(folders) == 1 and version in ("", folders[0].decode()))
    places = {name: int(value, 16) for name, value in re.findall(r"^(\w+)=(0x\w+)", (BOARDS / board / "board").read_text(), re.M)}
    ends = {"KERNEL": size, "INITRD": len(initrd), "TREE": MIB // 2, "ENV": SECTOR}
    spans = sorted((begin, begin + ends[name], name) for name, begin in places.items())
    claim("kernel, initrd, device tree and variables do not overlap in memory", ", ".join(f"{name} {begin:#x}" for begin, _, name in spans),
          all(first[1] <= second[0] for first, second in zip(spans, spans[1:])))
    claim("the slot has every model's device tree", f"{len(trees)}", all(there(f"/boot/dtb/{tree}")[:4] == b"\xd0\x0d\xfe\xed" for tree in trees))
    kernel_modules = BOARDS.parent.parent / f".cache/image/{board}/kernel/lib/modules/{folders[0].decode()}"
    aliases = dict(re.findall(r"^alias of:N\*T\*C(\S+?)(?:C\*)? (\S+)$", (kernel_modules / "modules.alias").read_text(), re.M))
    loaded = {name.decode().replace("-", "_") for name in re.findall(rb"modules/[0-9]+-([^\0]+)\.ko\0", initrd)}
    lacking = set()
    for name in trees:
        for compatible in device_tree.needs(device_tree.read(there(f"/boot/dtb/{name}")), CARD_HOSTS):
            wanted = {aliases[word] for word in compatible if word in aliases}
            if wanted and not wanted & loaded:
                lacking.add(f"{name}: {' or '.join(wanted)}")
    claim("the initrd has a module for all that each model's card needs", ", ".join(sorted(lacking)) or ", ".join(sorted(loaded)), not lacking)
    identity = there("/etc/callbox-image").decode()
    claim("the slot says what it is", identity.split()[2], f"BOARD={board}\n" in identity)
    binary = there("/usr/bin/callbox")
    claim("its callbox is a program for arm64", f"{len(binary) / 1e6:.1f} MB", binary[:4] == b"\x7fELF" and binary[18] == 183)

    with open(image, "rb") as card:
        card.seek(VARIABLES)
        variables = card.read(SECTOR)
    claim("the boot loader's variables have their checksum", variables[4:18].decode(), struct.unpack("<I", variables[:4])[0] == zlib.crc32(variables[4:]))
    for name, file in ("slot", slot), ("data", data):
        check = subprocess.run(["e2fsck", "-f", "-n", file], capture_output=True, text=True)
        claim(f"the file system of {name} is clean", f"status {check.returncode}", check.returncode == 0)
    subprocess.run(["rm", "-rf", work], check=True)
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
