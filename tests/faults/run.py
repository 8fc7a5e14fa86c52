#!/usr/bin/env python3
"""Every row of the table of faults: runs its test, prints bound and measured value, and
writes the table into docs/faults.md.

    tests/faults/run.py [--only WORD]... [--vm] [--table]

--only WORD  the tests whose name has this word; the other rows keep what they had
--vm         those in the throw-away guest too (kernel GPIO and sound; a release build)
--table      nothing is run, the table is written from what was measured before

FAULTS_LONG=1 makes the long ones ten minutes instead of two. Results are kept in
target/faults/results.json; of what was not run in this checkout the table keeps its lines. Exit code 1 if a test failed or its rows are missing.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from rows import GUEST, ROWS

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "target/faults/results.json"
DOCS = ROOT / "docs/faults.md"
CARGO = os.environ.get("CARGO", "cargo")
PLACEHOLDER = "not run"

HEAD = """# Faults and what becomes of them

`make test-faults` puts each of these faults into the real binary among real parts (voice core, phones, TLS, ICE, DTLS-SRTP,
ALSA, namespaces, control groups), measures, and writes this table. `FAULTS_LONG=1` makes the long ones ten minutes instead of
two. A row that fails is marked, and so is one that was not run. What a row does is told at the head of its test.

Bad networks are made by `tests/faults/weather.py`, a carrier of packets between two namespaces, since not every kernel has
netem: loss (also in bursts, Gilbert 1960), delay, jitter with overtaking, a rate with half a second of queue, and a NAT. All that
passes meets them, the session too. Understanding is PLCMOS (Diener et al. 2023), PESQ-WB (P.862.2) and STOI (Taal et al. 2011),
means over pieces of 8 s of ten minutes of recorded speech.

A call whose media has lost its way (another address, a NAT that gives out other ports) is offered anew where the core names it
to the new stream by an `InCall` (`Pipe`; `tests/e2e_adoption.rs`). The simulated core does so once the old stream has ended for it
too, which here it has not. On `MultiPipe` it is so by the contract: a terminal offers a call that it has only after an `InCall`, and
`MultiPipe` sends none for the terminal's own calls. Then the call ends, and the next press works.

"""


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--only", action="append", default=[])
    ask.add_argument("--vm", action="store_true")
    ask.add_argument("--table", action="store_true")
    asked = ask.parse_args()
    failed = []
    if not asked.table:
        for name in dict.fromkeys(row.where for row in ROWS):
            if not asked.only or any(word in name for word in asked.only):
                if not keep(name, run(name)):
                    failed.append(name)
        if asked.vm and not keep("vm", guest()):
            failed.append("make vm-test")
    lines = table(kept(), lines_before())
    DOCS.write_text(HEAD + "\n".join(lines) + "\n")
    print("\n".join(lines))
    for name in failed:
        print(f"FAILED: {name}", file=sys.stderr)
    return 1 if failed else 0


def kept():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def keep(name, result):
    """Adds one result to those there are by now, also of another run beside this one; whether it is good."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(kept() | {name: result}, indent=1))
    return result["ok"]


def run(name):
    """One test, alone; its output is kept beside the results."""
    binary, test = name.split("::", 1)
    print(f"== {name}", flush=True)
    begin = time.monotonic()
    command = [CARGO, "test", "--locked", "--quiet", "--test", binary, "--", "--exact", "--nocapture", test]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    seconds = time.monotonic() - begin
    log = RESULTS.parent / f"{name.replace('::', '.')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout)
    ran = re.search(r"test result: \w+\. 1 passed", done.stdout) is not None
    for line in done.stdout.splitlines():
        if line.startswith("fault-row"):
            print(line)
    ok = done.returncode == 0 and ran
    print(f"   {'ok' if ok else 'FAILED, see ' + str(log)} in {seconds:.0f} s", flush=True)
    return {"ok": ok, "seconds": round(seconds), "date": time.strftime("%Y-%m-%d"), "output": interesting(done.stdout)}


def interesting(output):
    """The lines that rows are made of."""
    return [line for line in output.splitlines()
            if line.startswith("fault-row") or any(row.pattern and re.search(row.pattern, line) for row in ROWS)]


def guest():
    """The guest's own table: `make vm-test`."""
    print("== make vm-test", flush=True)
    done = subprocess.run(["make", "vm-test"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    # As tests/vm/run.sh names it.
    checks = os.environ.get("VM_CHECKS", "").replace(" ", "-") or "all"
    console = ROOT / ".cache/vm/x86_64/out" / checks / "console.log"
    found = [line for line in console.read_text(errors="replace").splitlines() if line.startswith("VM-ROW|")]
    return {"ok": done.returncode == 0, "date": time.strftime("%Y-%m-%d"), "output": found}


def cells(row, result):
    """Fault, bound and measured value of every line that a row comes to."""
    if result is None:
        return [(row.fault or row.where.rsplit("::", 1)[1].replace("_", " "), row.bound, f"*{PLACEHOLDER}*")]
    if not row.fault:
        told = [line.split(" | ")[1:] for line in result["output"] if line.startswith("fault-row")]
        return told or [(row.where.rsplit("::", 1)[1].replace("_", " "), "", "*failed*")]
    if not row.pattern:
        return [(row.fault, row.bound, "held")]
    matches = [match for line in result["output"] if (match := re.search(row.pattern, line))]
    found = [row.shown.format(*match.groups()) for match in matches]
    return [(row.fault, row.bound, "; ".join(found) if found else "*failed*")]


def lines_before():
    """The lines of the table as it is, by the test that they name."""
    before = {}
    for line in DOCS.read_text().splitlines():
        if (match := re.search(r"\| (`[^|]*) \|$", line)) and PLACEHOLDER not in line:
            before.setdefault(match.group(1), []).append(line)
    return before


def table(results, before):
    lines = [f"Measured on {processors()} processors of {model()}, Linux {platform.release()}.", "",
             "| fault | bound | measured | test |", "|---|---|---|---|"]
    for row in ROWS:
        result = results.get(row.where)
        where = f"`{row.where}`"
        if result is None and where in before:
            # All lines of that test; its other rows have none to add.
            lines += before[where]
            before[where] = []
            continue
        for fault, bound, measured in cells(row, result):
            mark = "" if result is None or result["ok"] else "**failed:** "
            lines.append(f"| {fault} | {bound} | {mark}{measured} | {where} |")
    seen = [line.split("|")[1:] for line in results.get("vm", {}).get("output", [])]
    for check, claim in GUEST:
        where = f"`make vm-test`, {check}"
        if "vm" not in results and where in before:
            lines += before[where]
            before[where] = []
            continue
        found = [row for row in seen if row[0] == check and row[1].startswith(claim)]
        for row in found or [[check, claim, f"*{PLACEHOLDER}*", "", ""]]:
            mark = "**failed:** " if row[4] == "FAILED" else ""
            lines.append(f"| {row[1]} | {row[3]} | {mark}{row[2]} | {where} |")
    return lines


def processors():
    return len(os.sched_getaffinity(0))


def model():
    try:
        return re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()).group(1)
    except (OSError, AttributeError):
        return platform.machine()


sys.exit(main())
