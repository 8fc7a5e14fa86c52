"""Update bundles for tests: the slot of the image with another version, and
with something broken in it, without building it anew.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

MANIFEST = """[update]
compatible={compatible}
version={version}

[bundle]
format=plain

[image.rootfs]
filename=rootfs.img
"""

# What makes a slot bad, as debugfs(8) commands; {file} is the text beside it.
FAULTS = {
    "does not start": (["rm /boot/kernel", "write {file} /boot/kernel"], "no kernel\n"),
    "cannot register": (["rm /usr/lib/systemd/systemd-networkd", "write {file} /usr/lib/systemd/systemd-networkd"], "no network\n"),
    # The right first process never comes to life, and nobody feeds the watchdog.
    "hangs": (["rm /usr/lib/systemd/systemd", "write {file} /usr/lib/systemd/systemd"],
              "#!/usr/bin/sh\necho the slot hangs >/dev/console\nwhile :; do sleep 1000; done\n"),
}


class Bundles:
    """Makes bundles and keeps them for the run."""

    def __init__(self, given):
        self.given = given
        self.folder = Path(given.work) / "bundles"
        self.folder.mkdir()

    def make(self, version, fault=None, compatible="callbox-virt-arm64", keys=None):
        """The file of a bundle."""
        name = f"{version}-{fault or 'good'}-{compatible}-{Path(keys or self.given.keys).name}".replace(" ", "-")
        out = self.folder / f"{name}.raucb"
        if out.exists():
            return out
        content = self.folder / name
        content.mkdir()
        slot = content / "rootfs.img"
        subprocess.run(["cp", "--sparse=always", self.given.slot, slot], check=True)
        identity = content / "identity"
        build = hashlib.sha256(name.encode()).hexdigest()[:16]
        identity.write_text(f"BOARD=virt\nCOMPATIBLE=callbox-virt-arm64\nVERSION={version}\nBUILD={build}\n")
        commands = ["rm /etc/callbox-image", f"write {identity} /etc/callbox-image"]
        if fault:
            broken, text = FAULTS[fault]
            file = content / "broken"
            file.write_text(text)
            file.chmod(0o755)
            commands += [command.format(file=file) for command in broken]
        subprocess.run(["debugfs", "-w", "-f", "-", slot], input="\n".join(commands) + "\n", text=True, check=True,
                       capture_output=True)
        for used in ("identity", "broken"):
            (content / used).unlink(missing_ok=True)
        (content / "manifest.raucm").write_text(MANIFEST.format(compatible=compatible, version=version))
        keys = Path(keys or self.given.keys)
        subprocess.run(["rauc", "bundle", f"--cert={keys}/signing.pem", f"--key={keys}/signing.key",
                        "--mksquashfs-args=-comp zstd -Xcompression-level 1", content, out],
                       check=True, capture_output=True)
        shutil.rmtree(content)
        return out

    def flipped(self, bundle):
        """The same with one bit changed in the middle."""
        out = self.folder / "flipped.raucb"
        shutil.copy(bundle, out)
        with out.open("r+b") as file:
            file.seek(out.stat().st_size // 2)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 0x10]))
        return out
