"""Runs the checks of this folder on one card, and prints one table.

A check is a file check_N_NAME.py with `run(rig)`, which calls `rig.row` for each
claim. They build on each other: the card that one leaves behind is the next one's.
"""

import argparse
import contextlib
import functools
import http.server
import importlib
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from bundles import Bundles
from machine import Machine

CONFIG = """
[setup]
host-name = "test-box"
client-secret = "nobody-should-read-this"
[core]
endpoint = "http://{core}"
allow-plaintext = true
[auth]
method = "none"
[board]
file = "rpi4-doorstation"
backend = "gpiocdev"
[audio]
playback = "plughw:Loopback,0,0"
capture = "plughw:Loopback,1,0"
processing = "off"
[media]
codecs = ["pcmu"]
[contacts]
flat = "+4700000011"
[[button]]
name = "call"
press = {{ action = "call", to = ["flat"] }}
"""


class Rig:
    """What the checks share."""

    def __init__(self, given):
        self.given = given
        self.work = Path(given.work)
        self.keep = Path(given.keep)
        self.setup = CONFIG.format(core=given.core)
        self.bundles = Bundles(given)
        self.rows = []
        self.check = ""
        self.box = None

    def new_box(self, name):
        """A card fresh from the factory."""
        return Machine(self.work / name, self.given.image, self.given.u_boot)

    def new_copy(self, card, name):
        """A box with a copy of a card."""
        return Machine(self.work / name, card, self.given.u_boot)

    def running(self):
        """The card that the checks share, set up, started and registered."""
        if self.box is None:
            self.box = self.new_box("box")
            self.box.put("callbox-setup.toml", self.setup)
        if self.box.process is None or self.box.process.poll() is not None:
            self.box.start()
            self.box.up()
            self.box.registered()
        return self.box

    @contextlib.contextmanager
    def server(self, file):
        """Serves one file to the box for a while; its address."""
        handler = functools.partial(Quiet, directory=str(Path(file).parent))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://10.0.2.2:{server.server_port}/{Path(file).name}"
        finally:
            server.shutdown()
            server.server_close()

    def row(self, claim, measured, ok=None, limit=""):
        """One claim and what came of it; without a verdict it is a figure for people."""
        verdict = "seen" if ok is None else "ok" if ok else "FAILED"
        self.rows.append((self.check, claim, str(measured), limit, verdict))
        print(f"image-test: {verdict:6} {self.check}: {claim}: {measured}" + (f" (limit {limit})" if limit else ""), flush=True)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves and says nothing."""

    def log_message(self, *_):
        pass


def perform(rig, name):
    """One check; the next begins with a fresh card if it breaks off."""
    started = time.monotonic()
    try:
        importlib.import_module(name).run(rig)
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        rig.row("ran to its end", str(error).splitlines()[0] if str(error) else type(error).__name__, False)
        if rig.box:
            (rig.keep / f"failed-{rig.check}.log").write_text(rig.box.console.read_text(errors="replace"))
            rig.box.drop()
            rig.box = None
    print(f"image-test: {rig.check} took {time.monotonic() - started:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("image", "slot", "bundle", "u-boot", "keys", "other-keys", "work", "core", "keep"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("checks", nargs="*")
    given = parser.parse_args()
    rig = Rig(given)
    names = sorted(path.stem for path in Path(__file__).parent.glob("check_*.py"))
    begin = time.monotonic()
    # Whoever stops the test stops the box.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for name in names:
            rig.check = name.split("_", 2)[2]
            if not given.checks or rig.check in given.checks:
                perform(rig, name)
    finally:
        if rig.box:
            rig.box.drop()
    print(f"\n{'check':9} {'claim':66} {'measured':60} {'limit':10}")
    for check, claim, measured, limit, verdict in rig.rows:
        print(f"{check:9} {claim:66} {measured:60} {limit:10} {verdict}")
    failed = sum(row[4] == "FAILED" for row in rig.rows)
    print(f"\nimage-test: {len(rig.rows)} claims, {failed} failed, {time.monotonic() - begin:.0f} s")
    return 1 if failed or not rig.rows else 0


sys.exit(main())
