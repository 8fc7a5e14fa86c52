#!/usr/bin/env python3
"""The measuring part of panel.sh: cost.py CALLBOX REPOSITORY FOLDER SECONDS."""
import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

CALLBOX, REPO, RIG, LENGTH = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
CALLEE = "+4700000001"
CONNECTIONS = 1000
running = []


def start(name, *arguments):
    out, err = open(RIG / f"{name}.out", "w"), open(RIG / f"{name}.err", "w")
    process = subprocess.Popen([CALLBOX, *arguments], stdout=out, stderr=err)
    running.append(process)
    return process


def wait_for(what, probe, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.1)
    raise SystemExit(f"panel: no {what} within {seconds} s; see {RIG}")


class Box:
    """A box in a process of its own; `panel` is what stands below [panel], if it has one."""

    def __init__(self, name, endpoint, panel=None):
        self.name, self.socket = name, RIG / f"{name}.sock"
        config = RIG / f"{name}.toml"
        config.write_text(
            f'[core]\nendpoint = "{endpoint}"\n[auth]\nmethod = "none"\n'
            f'[board]\nfile = "{REPO}/board/desktop-mock.toml"\nbackend = "mock"\n'
            '[audio]\ncapture = "mic"\nplayback = "ear"\n[media]\nloopback = true\n'
            f'[contacts]\nfront = "{CALLEE}"\n'
            '[[button]]\nname = "call"\npress = { action = "call", to = ["front"] }\n'
            + (f"[panel]\n{panel}\n" if panel else ""))
        self.process = start(name, "run", "--config", str(config), "--socket", str(self.socket))
        wait_for(f"registered {name}", lambda: self.status().get("session") == "registered")

    def ask(self, *arguments):
        command = [CALLBOX, *arguments, "--socket", str(self.socket)]
        return subprocess.run(command, capture_output=True, text=True).stdout

    def status(self):
        return json.loads(self.ask("status", "--json") or "{}")

    def panel_port(self):
        return int(wait_for("panel", lambda: re.findall(r"http://127\.0\.0\.1:(\d+)", (RIG / f"{self.name}.err").read_text()))[0])

    def call(self):
        self.ask("press", "call", "--for", "100")
        wait_for(f"call of {self.name}", lambda: self.status().get("call") == "in-call")

    def cpu(self):
        """Seconds that its threads have run."""
        ran = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            ran += int((task / "schedstat").read_text().split()[0])
        return ran / 1e9

    def memory_mb(self):
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) / 1024


def follow(port):
    """A page's part of the work for the box: its stream of news."""
    follower = subprocess.Popen(["curl", "-sN", f"http://127.0.0.1:{port}/api/stream"], stdout=subprocess.DEVNULL)
    running.append(follower)


def cost(boxes):
    before = [(box.cpu(), time.monotonic()) for box in boxes]
    time.sleep(LENGTH)
    return [(box.cpu() - cpu) / (time.monotonic() - at) for box, (cpu, at) in zip(boxes, before)]


class Strangers:
    """Everything at once, again and again, until it is over."""

    def __init__(self, port):
        self.port, self.over = port, threading.Event()
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        jobs = [self.crowd, self.stalled, self.endless_headers, self.nonsense]
        self.threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        self.sent = {job.__name__: 0 for job in jobs}
        for thread in self.threads:
            thread.start()

    def head(self, path, method="GET"):
        return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n".encode()

    def connect(self):
        one = socket.create_connection(("127.0.0.1", self.port), timeout=2)
        return one

    def crowd(self):
        """A thousand connections that say nothing."""
        while not self.over.is_set():
            crowd = [socket.socket() for _ in range(CONNECTIONS)]
            for one in crowd:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", self.port))
            self.sent["crowd"] += len(crowd)
            self.over.wait(5)
            for one in crowd:
                one.close()

    def stalled(self):
        """Readers that ask for much and read nothing."""
        while not self.over.is_set():
            readers = []
            for path in ["/api/stream"] * 16 + ["/api/openapi.json"] * 16:
                try:
                    reader = self.connect()
                    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                    reader.sendall((self.head(path) + b"\r\n") * 50)
                    readers.append(reader)
                except OSError:
                    pass
            self.sent["stalled"] += len(readers)
            self.over.wait(5)
            for reader in readers:
                reader.close()

    def endless_headers(self):
        while not self.over.is_set():
            try:
                with self.connect() as one:
                    one.sendall(self.head("/"))
                    for n in range(1 << 14):
                        one.sendall(f"X-{n}: {'x' * 4000}\r\n".encode())
            except OSError:
                pass
            self.sent["endless_headers"] += 1
            self.over.wait(0.02)

    def nonsense(self):
        paths = ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/act", "/" + "a" * 60000]
        while not self.over.is_set():
            for method in ["GET", "BREW", "DELETE", "POST"]:
                for path in paths:
                    try:
                        with self.connect() as one:
                            one.sendall(self.head(path, method) + b"Connection: close\r\n\r\n")
                            one.recv(65536)
                    except OSError:
                        pass
                    self.sent["nonsense"] += 1
            self.over.wait(0.02)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(timeout=10)
        return self.sent


def xruns(box):
    return box.status()["audio"]["xruns"]


def strangers(box):
    """xruns of a call while nobody is at the panel, and while strangers are."""
    before = xruns(box)
    time.sleep(LENGTH)
    calm, memory = xruns(box) - before, box.memory_mb()
    before, crowd, most = xruns(box), Strangers(box.panel_port()), memory
    end = time.monotonic() + LENGTH
    while time.monotonic() < end:
        time.sleep(1)
        most = max(most, box.memory_mb())
    during = xruns(box) - before
    sent = crowd.end()
    print(f"strangers for {LENGTH:.0f} s: {sent}")
    print(f"  xruns: {during} (calm: {calm}); memory: {memory:.1f} MB, at most {most:.1f} MB; call: {box.status()['call']}")


def main():
    out = RIG / "core.out"
    start("core", "sim-core", "--json", "--listen", "127.0.0.1:0", "--token-listen", "127.0.0.1:0",
          "--plaintext", "--no-token", "--echo")
    endpoint = json.loads(wait_for("core", lambda: out.read_text().splitlines()[:1])[0])["endpoint"]
    panel = 'listen = "127.0.0.1:0"'
    # The same twice shows how much two equal boxes differ by chance.
    boxes = [Box("without", endpoint), Box("again", endpoint),
             Box("panel", endpoint, panel), Box("followed", endpoint, panel)]
    port = boxes[2].panel_port()
    paint = subprocess.run(["node", str(REPO / "tests/support/page/paint.mjs"), f"http://127.0.0.1:{port}/"],
                           capture_output=True, text=True)
    print("page:", paint.stdout.strip() or paint.stderr.strip())
    follow(boxes[3].panel_port())
    time.sleep(3)
    print(f"\n{LENGTH:.0f} s each; load {os.getloadavg()[0]:.1f}")
    names = ["no panel", "no panel, once more", "panel, no page", "panel, a page follows"]
    idle = cost(boxes)
    for box in boxes:
        box.call()
    call = cost(boxes)
    without = [(values[0] + values[1]) / 2 for values in (idle, call)]
    print(f"{'':24}{'idle, % of a core':>20}{'more':>8}{'CPU s a call minute':>22}{'more':>8}")
    for name, at_rest, talking in zip(names, idle, call):
        print(f"{name:24}{at_rest * 100:>20.2f}{(at_rest - without[0]) * 100:>8.2f}"
              f"{talking * 60:>22.3f}{(talking - without[1]) * 60:>8.3f}")
    for box in (boxes[0], boxes[1], boxes[3]):
        box.process.terminate()
    print()
    strangers(boxes[2])


try:
    main()
finally:
    for process in running:
        process.terminate()
    for process in running:
        process.wait()
