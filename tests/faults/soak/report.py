#!/usr/bin/env python3
"""Draws docs/soak.svg and writes docs/soak.md from what the soak left in target/soak."""

import csv
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "callbox"
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[3]
WORK, DOCS = ROOT / "target/soak", ROOT / "docs"


def main():
    summary = json.loads((WORK / "summary.json").read_text())
    with open(WORK / "samples.csv") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    draw(rows, summary)
    (DOCS / "soak.md").write_text(text(rows, summary))
    print((DOCS / "soak.md").read_text())


def draw(rows, summary):
    calls = [row["calls"] for row in rows]
    figure, (memory, counts) = plt.subplots(2, 1, sharex=True, figsize=(8, 5.5))
    memory.plot(calls, [row["rss_kib"] / 1024 for row in rows], label="resident")
    memory.plot(calls, [row["anonymous_kib"] / 1024 for row in rows], label="of it not of files")
    memory.axvline(summary["warm_up"], color="grey", linestyle=":", linewidth=1)
    memory.set_ylabel("MiB")
    memory.set_ylim(bottom=0)
    for name in ("descriptors", "threads", "tasks"):
        counts.plot(calls, [row[name] for row in rows], label=name)
    counts.set_ylim(bottom=0)
    counts.set_xlabel("calls")
    for axes in (memory, counts):
        axes.legend(loc="lower right", frameon=False)
        axes.grid(alpha=0.3)
    figure.suptitle(f"{summary['calls']} calls in one process, {summary['mode']}")
    figure.tight_layout()
    figure.savefig(DOCS / "soak.svg", metadata={"Date": None})


def text(rows, summary):
    start, end = summary["start"], summary["end"]
    growth = summary["growth_kib"]
    table = "\n".join(f"| {way['way']} | {way['calls']} |" for way in summary["ways"])
    figures = "\n".join(
        f"| {name} | {start[key]} | {end[key]} | {max(int(row[key]) for row in rows)} |"
        for name, key in [("descriptors", "descriptors"), ("threads", "threads"), ("tasks of tokio", "tasks"),
                          ("resident memory, KiB", "rss_kib"), ("of it not of files, KiB", "anonymous_kib")])
    if growth is None:
        grew = "How memory grows is not to be told by so short a run: what is kept on purpose (1,000 entries of the event\nlog, 100 calls of the panel's history) is still filling up."
    else:
        grew = f"""Resident memory grew by **{growth} KiB** (bound {summary['limit_kib']} KiB) over the last {summary['calls'] - summary['warm_up']} calls, from the
median of the samples after the first {summary['warm_up']}, when everything that is kept on purpose is full (1,000 entries of the event log,
100 calls of the panel's history), to that of the last ones."""
    return f"""# {summary['calls']} calls in one process

`make soak` lets `callbox run` ({summary['profile']} build, TLS, token, panel, synthetic sound) have short calls of every kind with the
simulated voice core, one after the other and as fast as it goes, with real sockets, ICE, DTLS-SRTP and sound both ways.
This run: {summary['mode']}, {summary['seconds']} s.

![memory, descriptors, threads and tasks over the calls](soak.svg)

{grew}

| | at the start | at the end | most seen |
|---|---|---|---|
{figures}

"At the start" is the box registered and at rest for 12 s, "at the end" the same after the last call; "most seen" is 200 ms after
a call, when the media of the last one may still be closing.

| how a call went | calls |
|---|---|
{table}
"""


main()
