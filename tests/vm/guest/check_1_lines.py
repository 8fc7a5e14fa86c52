"""Buttons and lamps through the kernel: a press reaches the appliance and the
lamp at once, and a bouncing contact is one press.
"""

import calendar
import os
import random
import re
import subprocess
import threading
import time

from box import Box
from stalls import Stalls

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
    """Edge to line of text of a bare gpiomon, by the kernel's own stamps."""
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


def real_minus_monotonic():
    return time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def edges_to_events(log):
    """From the kernel's stamp of each pressing edge to the appliance's own word about it."""
    offset = real_minus_monotonic()
    found, edge = [], None
    for line in re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines():
        stamp = re.match(r"(\d{4}-\d\d-\d\dT[\d:]+)\.(\d+)Z", line)
        if not stamp:
            continue
        if seen := re.search(r'edge button="hang-up" active=true at=([\d.]+)s', line):
            edge = float(seen.group(1))
        elif "kind=Button" in line and edge is not None:
            whole = time.strptime(stamp.group(1), "%Y-%m-%dT%H:%M:%S")
            at = calendar.timegm(whole) + float("0." + stamp.group(2))
            found.append(at - offset - edge)
            edge = None
    return found


def bounce(contact, closed, chance):
    """Goes to `closed` by way of chatter; returns how long that took."""
    begin = last = contact.set(closed)
    end = begin + chance.uniform(0, BOUNCE)
    while time.clock_gettime(time.CLOCK_MONOTONIC) < end:
        time.sleep(chance.uniform(0, 0.002))
        contact.set(not closed)
        time.sleep(chance.uniform(0, 0.002))
        contact.set(closed)
        last = time.clock_gettime(time.CLOCK_MONOTONIC)
    return last - begin


def settle(presses, wanted):
    """Waits until so many presses are told, and a little longer for one too many."""
    end = time.monotonic() + 2
    while len(presses) < wanted and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.02)


def traces(guest, box, contact):
    """Random bounces at both ends of a press."""
    presses = box.follow_presses("hang-up")
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
        # Where the machine stood still, the contact itself bounced for longer than a debounce. What stood still
        # elsewhere is no excuse: the kernel stamps each edge.
        if max(spans) > DEBOUNCE - STAMP:
            void += 1
            continue
        judged += 1
        if len(presses) != before + 1:
            wrong.append(f"{len(presses) - before} presses of bounces of {spans[0] * 1000:.0f} and {spans[1] * 1000:.0f} ms")
    for story in wrong[:5]:
        print(f"vm: wrong: {story}", flush=True)
    guest.row("a bouncing contact is one press", f"{len(wrong)} of {judged} wrong, {void} void (seed {seed})",
              not wrong and judged == TRACES, "0")


def glitches(guest, box):
    """Spikes on a line whose board file asks for a filter, and real presses there."""
    contact = guest.chip.input(QUIET)
    presses = box.follow_presses("quiet")
    judged = 0
    for _ in range(MOST * GLITCHES):
        begin = contact.set(True)
        time.sleep(GLITCH - 0.0002)
        contact.set(False)
        judged += time.clock_gettime(time.CLOCK_MONOTONIC) - begin < FILTER - STAMP
        time.sleep(0.02)
        if judged == GLITCHES:
            break
    time.sleep(0.5)
    by = "callbox" if "no debounce in the kernel" in box.log.read_text(errors="replace") else "the kernel"
    told = len(presses)
    guest.row("glitches of 1 ms where the board wants 5 ms", f"{told} presses of {judged}, filtered by {by}",
              told == 0 and judged == GLITCHES, "0")
    for _ in range(20):
        contact.set(True)
        time.sleep(0.05)
        contact.set(False)
        time.sleep(0.1)
    settle(presses, told + 20)
    guest.row("presses of 50 ms there", f"{len(presses) - told} of 20", len(presses) - told == 20)


def run(guest):
    # A press that does something at any time: what is refused is shown on the lamps, too.
    box = Box(button_action="mute", log="warn,callbox=info,callbox::gpio=trace")
    box.registered()
    guest.row("from start to registered, through lines of the kernel", f"{time.monotonic() - box.started:.1f} s")
    devices = box.ask("devices")
    guest.row("`callbox devices` names the chip and who has its lines",
              f"{devices.count('used by')} lines in use",
              "pinctrl-bcm2711" in devices and 'used by "callbox"' in devices)

    second, lamp = guest.chip.input(SECOND), guest.chip.output(CALLING)
    stalls = Stalls()
    measured = []
    good = 0
    while good < PRESSES and len(measured) < MOST * PRESSES:
        if lamp.wait(False, 5) is None:
            raise AssertionError("the lamp stays lit")
        time.sleep(REST)
        stalls.since_last()
        pressed = second.set(True)
        lit = lamp.wait(True, 2)
        smooth = stalls.since_last() < STALL
        second.set(False)
        if lit is None:
            raise AssertionError(f"press {len(measured) + 1} lit no lamp within 2 s: {box.tail()}")
        measured.append((lit - pressed, smooth))
        good += smooth
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
    ratio = quantiles(to_event)[0] / quantiles(bare)[0]
    guest.row("edge to appliance event", f"{figure(to_event)}; {ratio:.1f} x gpiomon",
              quantiles(to_event)[1] <= max(2.0, 2 * quantiles(bare)[1]), "2 ms")
    ratio = quantiles(to_lamp)[0] / quantiles(bare)[0]
    guest.row("press to lamp", f"{figure(to_lamp)}; {ratio:.1f} x gpiomon",
              quantiles(to_lamp)[1] <= max(5.0, 4 * quantiles(bare)[1]), "5 ms")
