"""Buttons and lamps through the kernel: a press reaches the appliance and the
lamp at once, and a bouncing contact is one press.
"""

import os
import random
import re
import subprocess
import threading
import time

from box import Box
from stalls import Stalls
from trace import Trace

# On a processor that counts its instructions.
INIT = "counted"
CALL, SECOND, QUIET = 17, 22, 6
CALLING = 23
PRESSES = int(os.environ.get("VM_PRESSES", "200"))
TRACES = int(os.environ.get("VM_TRACES", "1000"))
# Glitches of 1 ms on a line whose board file asks for levels of 5 ms.
GLITCHES, GLITCH, FILTER = 100, 0.001, 0.005
# The board's debounce, longer than that, and shorter.
DEBOUNCE = 0.030
REST = 0.045
BOUNCE = 0.015
# A machine that stands still for longer spoils a measurement, which is then
# taken again, but not more than so many times as often.
STALL = 0.005
MOST = 4
# How long a press lasts, and its answer on the lamp is waited for.
SHOWN = 0.050
# How much later than the contact the kernel may stamp an edge.
STAMP = 0.001


def quantiles(seconds):
    """p50 and p99 in ms."""
    ordered = sorted(seconds)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000
    return at(0.5), at(0.99)


def figure(seconds):
    p50, p99 = quantiles(seconds)
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms of {len(seconds)}"


def gpiomon(chip, presses):
    """Edge to line of text of a bare gpiomon, by the kernel's own stamps, with no box beside it."""
    command = ["gpiomon", "--chip", chip.name, "--bias", "pull-up", "--event-clock", "monotonic",
               "--edges", "both", "--format", "%S", str(SECOND)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    taken, good = [], []
    stalls = Stalls()

    def read():
        for line in process.stdout:
            taken.append(time.clock_gettime(time.CLOCK_MONOTONIC) - float(line))

    reader = threading.Thread(target=read)
    reader.start()
    contact = chip.input(SECOND)
    time.sleep(1.0)
    for turn in range(MOST * presses):
        stalls.since_last()
        contact.set(turn % 2 == 0)
        time.sleep(REST)
        if stalls.since_last() < STALL and taken:
            good.append(taken[-1])
        if len(good) == presses:
            break
    process.terminate()
    reader.join()
    return good


def edges_to_events(log):
    """From the kernel's stamp of each pressing edge to when the appliance was given it, as the box itself says."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log)
    return [int(us) / 1e6 for us in re.findall(r'edge event=Pressed\(ButtonName\("hang-up"\)\) late_us=(\d+)', text)]


def bounce(contact, closed, chance):
    """Goes to `closed` by way of chatter; returns the longest time between two edges."""
    begin = last = contact.set(closed)
    end = begin + chance.uniform(0, BOUNCE)
    longest = 0.0
    while time.clock_gettime(time.CLOCK_MONOTONIC) < end:
        for level in (not closed, closed):
            time.sleep(chance.uniform(0, 0.002))
            before = last
            contact.set(level)
            last = time.clock_gettime(time.CLOCK_MONOTONIC)
            longest = max(longest, last - before)
    return longest


def settle(presses, wanted):
    """Waits until so many presses are told, and a little longer for one too many."""
    end = time.monotonic() + 2
    while len(presses) < wanted and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(2 * DEBOUNCE)


def traces(guest, box, contact):
    """Random bounces at both ends of a press."""
    presses = box.presses("hang-up")
    seed = int(os.environ.get("VM_SEED", time.time_ns() % 1_000_000))
    chance = random.Random(seed)
    judged = void = 0
    wrong = []
    while judged < TRACES and void < MOST * TRACES:
        before = len(presses)
        spans = []
        for closed in (True, False):
            spans.append(bounce(contact, closed, chance))
            time.sleep(0.080)
        settle(presses, before + 1)
        # Where the machine stood still, the contact itself rested for longer than a debounce. What stood still
        # elsewhere is no excuse: the kernel stamps each edge.
        if max(spans) > DEBOUNCE - STAMP:
            void += 1
            # What it led to is not to count for the next one.
            time.sleep(0.3)
            continue
        judged += 1
        if len(presses) != before + 1:
            wrong.append(f"{len(presses) - before} presses, no bounce longer than {max(spans) * 1000:.0f} ms: "
                         + ", ".join(presses.edges))
    for story in wrong[:5]:
        print(f"vm: wrong: {story}", flush=True)
    guest.row("a bouncing contact is one press", f"{len(wrong)} of {judged} wrong, {void} void (seed {seed})",
              not wrong and judged == TRACES, "0")


def glitches(guest, box):
    """Spikes on a line whose board file asks for a filter, and real presses there."""
    contact = guest.chip.input(QUIET)
    presses = box.presses("quiet")
    judged = told = tried = 0
    while judged < GLITCHES and tried < MOST * GLITCHES:
        tried += 1
        before = len(presses)
        begin = contact.set(True)
        time.sleep(GLITCH - 0.0002)
        contact.set(False)
        short = time.clock_gettime(time.CLOCK_MONOTONIC) - begin < FILTER - STAMP
        time.sleep(0.05)
        if short:
            judged += 1
            told += len(presses) - before
        else:
            # Where the machine stood still, it was none. What it led to is not to count for the next one.
            time.sleep(0.3)
    guest.row("glitches of 1 ms where the board wants 5 ms", f"{told} presses of {judged}, {tried - judged} void",
              told == 0 and judged == GLITCHES, "0")
    before = len(presses)
    for _ in range(20):
        contact.set(True)
        time.sleep(0.05)
        contact.set(False)
        time.sleep(0.1)
    settle(presses, before + 20)
    guest.row("presses of 50 ms there", f"{len(presses) - before} of 20", len(presses) - before == 20)


def run(guest):
    # A press that does something at any time: what is refused is shown on the lamps, too.
    box = Box(button_action="mute", log="warn,callbox=info,callbox::driver=trace")
    box.registered()
    guest.row("from start to registered, through lines of the kernel", f"{time.monotonic() - box.started:.1f} s")
    devices = box.ask("devices")
    guest.row("`callbox devices` names the chip and who has its lines",
              f"{devices.count('used by')} lines in use",
              "pinctrl-bcm2711" in devices and 'used by "callbox"' in devices)

    second, lamp = guest.chip.input(SECOND), guest.chip.output(CALLING)
    stalls, trace = Stalls(), Trace()
    measured = []
    good = 0
    while good < PRESSES and len(measured) < MOST * PRESSES:
        if lamp.wait(False, 5) is None:
            raise AssertionError("the lamp stays lit")
        time.sleep(REST)
        stalls.since_last()
        trace.since_last()
        pressed = second.set(True)
        time.sleep(SHOWN)
        smooth = stalls.since_last() < STALL
        lit = [at for at, line, level in trace.since_last() if line == CALLING and level]
        second.set(False)
        if not lit:
            raise AssertionError(f"press {len(measured) + 1} lit no lamp within {SHOWN} s: {box.tail()}")
        measured.append((lit[0] - pressed, smooth))
        good += smooth
    trace.end()
    to_event = edges_to_events(box.log.read_text(errors="replace"))
    guest.row("every press was heard", f"{len(to_event)} of {len(measured)}", len(to_event) == len(measured))
    to_event = [seconds for seconds, (_, smooth) in zip(to_event, measured) if smooth]
    to_lamp = [seconds for seconds, smooth in measured if smooth]
    guest.row("presses across which the machine did not stall", f"{good} of {len(measured)}", good == PRESSES)

    lamp.wait(False, 5)
    traces(guest, box, second)
    glitches(guest, box)
    box.end()
    bare = gpiomon(guest.chip, PRESSES)
    guest.row("edge to a line of a bare gpiomon", figure(bare), len(bare) >= PRESSES)
    for claim, taken, limit in ("edge to appliance event", to_event, 0.002), ("press to lamp", to_lamp, 0.005):
        p50, p99 = quantiles(taken)
        times = " and ".join(f"{ours / theirs:.1f}" for ours, theirs in zip((p50, p99), quantiles(bare)))
        guest.row(claim, f"{figure(taken)}; {times} x gpiomon", p99 <= limit * 1000, f"{limit * 1000:.0f} ms")
