#!/usr/bin/env python3
"""Makes the arrival traces: one number a 20 ms packet, its transit in 0.1 ms, `x` where it is lost.

Usage: make.py FOLDER. Every trace is drawn from its own seed (the number in its first line), with nothing
but Python's random.Random, so anybody gets the same files."""
import pathlib
import random
import sys

PACKETS = 1500


def in_order(delays):
    """A queue never lets a packet overtake: arrival times do not go back."""
    last, out = 0.0, []
    for i, delay in enumerate(delays):
        if delay is None:
            out.append(None)
            continue
        last = max(last, i * 20 + delay)
        out.append(last - i * 20)
    return out


def quiet(r):
    return [2 + r.expovariate(1 / 0.5) for _ in range(PACKETS)]


def loss(share):
    return lambda r: [None if r.random() < share else d for d in quiet(r)]


def bursts(r, share=0.10, length=4):
    """Gilbert's model: bad states of `length` packets on average."""
    bad, out = False, []
    for delay in quiet(r):
        bad = r.random() >= 1 / length if bad else r.random() < share / length / (1 - share)
        out.append(None if bad else delay)
    return out


def jitter(mean):
    """Gamma, shape 1.5, cut at four times the mean, in order (a queue)."""
    return lambda r: in_order([2 + min(4 * mean, r.gammavariate(1.5, mean / 1.5)) for _ in range(PACKETS)])


def wifi(r):
    """Contention (exponential, 3 ms), and every 0.5 to 4 s the channel is busy or scanned for 30 to 140 ms:
    what was sent meanwhile comes in a burst. 0.5 % are lost for good."""
    delays, busy_until, next_busy = [], 0.0, 500.0
    for i in range(PACKETS):
        now = i * 20.0
        if now >= next_busy:
            busy_until = now + r.uniform(30, 140)
            next_busy = now + r.uniform(500, 4000)
        delays.append(None if r.random() < 0.005 else max(busy_until - now, 0) + 2 + r.expovariate(1 / 3))
    return in_order(delays)


def lte(r):
    """A scheduler's raster of 10 ms, HARQ repeats of 8 ms (10 % each), in order (RLC), a handover of 60 to 150 ms
    every 8 s or so, and slow swings of load over 5 to 20 ms."""
    delays, busy_until, next_busy, load = [], 0.0, 4000.0, 5.0
    for i in range(PACKETS):
        now = i * 20.0
        load = min(20.0, max(0.0, load + r.gauss(0, 0.6)))
        if now >= next_busy:
            busy_until = now + r.uniform(60, 150)
            next_busy = now + r.expovariate(1 / 8000)
        harq = 0
        while r.random() < 0.1:
            harq += 8
        delays.append(max(busy_until - now, 0) + 18 + r.uniform(0, 10) + harq + load)
    return in_order(delays)


def stall(r):
    """Good, but for 300 ms at 6, 14 and 22 s nothing comes, then all of it at once."""
    out = quiet(r)
    for at in (300, 700, 1100):
        for i in range(15):
            out[at + i] = max(out[at + i], 300 - 20 * i)
    return in_order(out)


def reordered(r):
    """One in twelve takes a path that is 15 to 45 ms longer; nothing is lost."""
    return [d + (r.uniform(15, 45) if r.random() < 1 / 12 else 0) for d in quiet(r)]


TRACES = {
    "quiet": (1, quiet), "loss5": (2, loss(0.05)), "loss10": (3, loss(0.10)), "loss20": (4, loss(0.20)),
    "bursts4": (5, bursts), "jitter30": (6, jitter(30)), "jitter100": (7, jitter(100)), "wifi": (8, wifi),
    "lte": (9, lte), "stall300": (10, stall), "reordered": (11, reordered),
}

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (seed, make) in TRACES.items():
        delays = make(random.Random(seed))
        words = ["x" if d is None else str(round(d * 10)) for d in delays]
        rows = [" ".join(words[i:i + 25]) for i in range(0, PACKETS, 25)]
        text = f"# {name}, seed {seed}: transit of each 20 ms packet in 0.1 ms, x = lost; made by make.py\n"
        (folder / f"{name}.trace").write_text(text + "\n".join(rows) + "\n")
