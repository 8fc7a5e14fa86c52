#!/usr/bin/env python3
"""Carries packets between the interfaces `near` and `far` as a bad network does:

    weather.py CONTROL

CONTROL is a datagram socket to be made, on which each message is a JSON object of
what changes from now on, both ways. Unlike netem it is to be had without a kernel
module, and it is a NAT as well.

  loss     share of packets lost, 0 to 1
  burst    packets lost in a row, in the mean (Gilbert 1960); 1 for independent losses
  delay    ms, one way
  jitter   ms: each packet is late by up to so much more or less, and may overtake others
  rate     kbit/s each way, with half a second of queue (RFC 8868 section 5); 0 for no limit
  cut      true: nothing passes
  rebind   true: the NAT forgets its ports and gives out others

Only IPv4 is touched; ARP always passes. The seed is in the environment, SEED.
"""

import heapq
import json
import os
import random
import select
import socket
import sys
import time

QUEUE = 0.5
IP, TCP, UDP = b"\x08\x00", 6, 17
PORTS = range(1024, 65536)


class Way:
    """One direction: what is lost, and when the rest arrives."""

    def __init__(self, weather, seed):
        self.weather, self.random = weather, random.Random(seed)
        self.losing, self.free = False, 0.0
        self.passed = self.lost = self.full = 0

    def loses(self):
        loss, burst = self.weather["loss"], max(1.0, self.weather["burst"])
        begins = loss / (burst * (1 - loss)) if burst > 1 else loss
        goes_on = 1 - 1 / burst if burst > 1 else loss
        self.losing = self.random.random() < (goes_on if self.losing else begins)
        return self.losing

    def arrival(self, now, size):
        """When a packet of so many bytes is through; None if it is lost."""
        if self.weather["cut"]:
            return None
        if self.loses():
            self.lost += 1
            return None
        leaves = now
        if self.weather["rate"]:
            leaves = max(now, self.free)
            if leaves - now > QUEUE:
                self.full += 1
                return None
            leaves += size * 8 / (self.weather["rate"] * 1000)
            self.free = leaves
        self.passed += 1
        jitter = self.random.uniform(-self.weather["jitter"], self.weather["jitter"])
        return leaves + max(0.0, self.weather["delay"] + jitter) / 1000


class Nat:
    """Other source ports for the near side, by a shift that changes when it is bound anew."""

    def __init__(self):
        self.shift = 0

    def outside(self, port):
        return self.moved(port, self.shift)

    def inside(self, port):
        return self.moved(port, -self.shift)

    @staticmethod
    def moved(port, shift):
        return PORTS.start + (port - PORTS.start + shift) % len(PORTS) if port in PORTS else port

    def translate(self, frame, outward):
        """Changes the near side's port, and what depends on it."""
        if not self.shift or frame[12:14] != IP or frame[23] not in (TCP, UDP):
            return frame
        frame = bytearray(frame)
        at = 14 + (frame[14] & 15) * 4
        place = at if outward else at + 2
        old = int.from_bytes(frame[place : place + 2], "big")
        new = self.outside(old) if outward else self.inside(old)
        frame[place : place + 2] = new.to_bytes(2, "big")
        if frame[23] == UDP:
            # No checksum (RFC 768).
            frame[at + 6 : at + 8] = b"\0\0"
        else:
            checksum = int.from_bytes(frame[at + 16 : at + 18], "big")
            # RFC 1624, equation 3.
            checksum = (~checksum & 0xFFFF) + (~old & 0xFFFF) + new
            while checksum >> 16:
                checksum = (checksum & 0xFFFF) + (checksum >> 16)
            frame[at + 16 : at + 18] = (~checksum & 0xFFFF).to_bytes(2, "big")
        return bytes(frame)


def card(name):
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    found.bind((name, 0))
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    return found


def main():
    seed = int(os.environ.get("SEED", "1"))
    weather = {"loss": 0.0, "burst": 1.0, "delay": 0.0, "jitter": 0.0, "rate": 0.0, "cut": False}
    control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    control.bind(sys.argv[1])
    near, far = card("near"), card("far")
    ways = {near: (Way(weather, 2 * seed), far), far: (Way(weather, 2 * seed + 1), near)}
    nat = Nat()
    flying, count = [], 0
    print("carrying", flush=True)
    while True:
        wait = max(0.0, flying[0][0] - time.monotonic()) if flying else 10
        ready, _, _ = select.select([near, far, control], [], [], wait)
        for one in ready:
            if one is control:
                change = json.loads(control.recv(4096))
                if change.pop("rebind", False):
                    nat.shift += 7919
                weather.update(change)
                totals = {name: (way.passed, way.lost, way.full) for name, (way, _) in zip(("out", "in"), ways.values())}
                print(json.dumps({"weather": weather, "passed, lost, queue full": totals}), flush=True)
                continue
            frame, where = one.recvfrom(65535)
            if where[2] == socket.PACKET_OUTGOING:
                continue
            way, other = ways[one]
            due = way.arrival(time.monotonic(), len(frame) - 14) if frame[12:14] == IP else 0.0
            if due is not None:
                count += 1
                heapq.heappush(flying, (due, count, other, nat.translate(frame, one is near)))
        while flying and flying[0][0] <= time.monotonic():
            _, _, other, frame = heapq.heappop(flying)
            try:
                other.send(frame)
            except OSError:
                # The cable is pulled at the other end.
                pass


main()
