"""A box in QEMU: its card is a file, its plug can be pulled at any moment."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

# The boot partition begins here; see image/image.sh.
BOOT_PARTITION = 4 * 1024 * 1024
CARD_BYTES = 2 << 30


class Silent(AssertionError):
    """The box did not say what it should have in time."""


class Machine:
    """One card and the box it is in."""

    def __init__(self, folder, image, u_boot):
        """A card with this content."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.card = self.folder / "card.img"
        self.u_boot = u_boot
        self.console = self.folder / "console.log"
        self.console.write_text("")
        self.process = None
        self.port = None
        self.boots = 0
        subprocess.run(["cp", "--sparse=always", image, self.card], check=True)
        # A card is larger than the image.
        os.truncate(self.card, CARD_BYTES)

    def put(self, name, text):
        """A file on the boot partition, as any computer would write it."""
        file = self.folder / "put"
        file.write_text(text)
        self.mtools("mcopy", "-o", str(file), f"::{name}")

    def files(self):
        """The boot partition's files with their texts, by name."""
        listing = self.mtools("mdir", "-b", "::").stdout.split()
        return [name.removeprefix("::/") for name in listing]

    def text(self, name):
        """A text on the boot partition."""
        return self.mtools("mtype", f"::{name}").stdout

    def mtools(self, tool, *arguments):
        return subprocess.run([tool, "-i", f"{self.card}@@{BOOT_PARTITION}", *arguments],
                              check=True, capture_output=True, text=True)

    def start(self, log=None, worn=False, counted=False):
        """Puts the plug in. Into the file `log` goes every write to the card, in order; a `worn` card takes
        no writes. With `counted` the processor takes one nanosecond for each instruction, however busy this
        machine is."""
        self.boots += 1
        path = self.folder / "port"
        path.unlink(missing_ok=True)
        with self.console.open("a") as console:
            console.write(f"\n==== start {self.boots}\n")
        command = [
            "qemu-system-aarch64", "-M", "virt", "-accel", "tcg", "-cpu", "cortex-a72", "-smp", "1", "-m", "1024",
            "-bios", str(self.u_boot), "-display", "none", "-nodefaults", "-monitor", "none",
            "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
            *self._drive(log, worn),
            # Merged, a request has more pieces than the log's driver can add its own to.
            "-device", "virtio-blk-pci,drive=card,request-merging=off", "-device", "virtio-rng-pci",
            "-device", "i6300esb", "-action", "watchdog=reset",
            "-nic", "user,model=virtio-net-pci",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=test,path={path},server=on,wait=off",
            "-device", "virtserialport,chardev=test,name=callbox.test",
        ]
        if counted:
            command += ["-icount", "shift=0,sleep=on"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        while True:
            self.port = socket.socket(socket.AF_UNIX)
            try:
                self.port.connect(str(path))
                break
            except OSError:
                self.port.close()
                if self.process.poll() is not None:
                    raise Silent("QEMU did not start") from None
                time.sleep(0.1)
        self.begin = time.monotonic()
        self.buffer = b""
        self.number = 0

    def _drive(self, log, worn):
        if log is None:
            return ["-drive", f"if=none,id=card,format=raw,file={self.card},readonly={'on' if worn else 'off'}"]
        Path(log).write_bytes(b"")
        return ["-blockdev", f"driver=file,node-name=raw,filename={self.card}",
                "-blockdev", f"driver=file,node-name=log,filename={log}",
                "-blockdev", "driver=blklogwrites,node-name=card,file=raw,log=log"]

    def pull(self):
        """Pulls the plug."""
        self.process.kill()
        self.process.wait()
        self.port.close()

    def ended(self, seconds):
        """Waits until the box has gone off."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Silent(f"the box did not go off within {seconds} s") from None
        self.port.close()

    def _line(self, end):
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0:
                raise Silent(f"no answer; the console ended with:\n{self.tail()}")
            self.port.settimeout(left)
            try:
                more = self.port.recv(65536)
            except TimeoutError:
                continue
            if not more:
                raise Silent(f"QEMU has ended; the console ended with:\n{self.tail()}")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode(errors="replace").split(" ")

    def up(self, seconds=180):
        """Waits for user space; seconds since power-on."""
        end = time.monotonic() + seconds
        while self._line(end)[0] != "hello":
            pass
        return time.monotonic() - self.begin

    def sh(self, script, seconds=60, check=True):
        """What a script says on the box."""
        self.number += 1
        self.port.settimeout(5)
        self.port.sendall(f"{self.number} {base64.b64encode(script.encode()).decode()}\n".encode())
        end = time.monotonic() + seconds
        while True:
            words = self._line(end)
            if words[0] == "hello":
                raise Silent(f"the box started again while it did {script[:40]!r}")
            if words[0] == str(self.number):
                break
        said = base64.b64decode(words[2]).decode(errors="replace").strip()
        if check and words[1] != "0":
            raise AssertionError(f"exit status {words[1]} of {script!r}: {said}")
        return said if check else (int(words[1]), said)

    def status(self):
        """`callbox status --json`, or nothing while none answers."""
        code, said = self.sh("callbox status --json", check=False)
        return json.loads(said) if code == 0 else {}

    def wait(self, what, seconds, look):
        """The first true answer of `look`."""
        end = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > end:
                raise Silent(f"not within {seconds} s: {what}; the console ended with:\n{self.tail()}")
            time.sleep(0.5)

    def registered(self, seconds=180):
        """Waits until the voice core knows the box; its status then."""
        return self.wait("registered", seconds, lambda: (s := self.status()).get("session") == "registered" and s)

    def slot(self, state, seconds=180):
        """Waits until the slot that runs is in this state; the update's status then."""
        def look():
            update = self.status().get("update") or {}
            return update if update.get("state") == state else None
        return self.wait(f"a slot that is {state}", seconds, look)

    def restart(self):
        """Has it start again in good order."""
        self.sh("(sleep 1; systemctl reboot) >/dev/null 2>&1 &")
        self.begin = time.monotonic()

    def since(self):
        """Seconds since it was last made to start."""
        return time.monotonic() - self.begin

    def back(self, state, seconds):
        """Waits for a slot in this state over any number of restarts; what it says of itself."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.up(end - time.monotonic())
                return self.slot(state, min(90, end - time.monotonic()))
            except Silent as why:
                last = why
        raise Silent(f"not within {seconds} s: a slot that is {state}: {last}")

    def tail(self, lines=15):
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])

    def drop(self):
        """Ends it and throws the card away."""
        if self.process and self.process.poll() is None:
            self.pull()
        shutil.rmtree(self.folder, ignore_errors=True)
