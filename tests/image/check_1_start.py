"""A card fresh from the factory, with a set-up on its boot partition: the box
takes it, comes up read-only, registers, and carries a call with sound.
"""

import json
import sys
import time
from pathlib import Path

from machine import BOOT_PARTITION

sys.path.append(str(Path(__file__).parent.parent / "vm/guest"))
import tone  # noqa: E402

CALL = 17
PULL = "/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio{}/pull"


def press(box, line):
    path = PULL.format(line)
    box.sh(f"set -- {path}; echo pull-down >$1; sleep 0.3; echo pull-up >$1")


def run(rig):
    box = rig.new_box("box")
    rig.box = box
    box.put("callbox-setup.toml", rig.setup)
    box.start()
    seconds = box.up()
    rig.row("power-on to user space, emulated", f"{seconds:.0f} s")
    box.registered()
    box.slot("good")

    root = box.sh("grep ' / ' /proc/mounts")
    code, said = box.sh("touch /etc/x /usr/x /x", check=False)
    rig.row("the root is read-only", root.split(" ")[3][:20], " ro," in root and code != 0)
    passwords = box.sh("cut -d : -f 2 /etc/shadow | sort -u")
    rig.row("no user has a password", passwords, passwords == "!*")
    listening = box.sh("ss -ltn 2>/dev/null || netstat -ltn")
    rig.row("nobody listens for logins", "ssh is off", ":22 " not in listening and ":23 " not in listening)
    rig.row("the set-up was taken and wiped", "gone", "callbox-setup.toml" not in box.files())
    secret = box.sh("stat -c '%a %U' /etc/callbox/client-secret; hostname")
    rig.row("its secret is its owner's alone, its name is the box's", secret.replace("\n", ", "),
            secret.split() == ["600", "callbox", "test-box"])
    with open(box.card, "rb") as card:
        card.seek(BOOT_PARTITION)
        left = card.read(64 << 20).count(b"nobody-should-read-this")
    rig.row("the secret is nowhere left on the boot partition", f"{left} times", left == 0)
    journal = box.sh("journalctl --disk-usage; df -k /data | tail -n 1; df -h / | tail -n 1")
    rig.row("log and room", " ".join(journal.split()[:12]))
    size = int(box.sh("df -k /data | tail -n 1 | awk '{ print $2 }'")) // 1024
    rig.row("the data partition has grown to the card", f"{size} MiB", size > 1000)
    failed = box.sh("systemctl --failed --no-legend --plain | cut -d ' ' -f 1 | xargs")
    rig.row("no unit has failed", failed or "none", not failed)

    timing = box.sh("""
systemctl show -p UserspaceTimestampMonotonic --value
systemctl show -p ExecMainStartTimestampMonotonic --value callbox.service
callbox events --json | grep -m 1 '"registered"'
""").splitlines()
    user, started = (int(value) / 1e6 for value in timing[:2])
    event = json.loads(timing[2])
    registered = started + event["t_us"] / 1e6
    rig.row("user space to registered, emulated", f"{registered - user:.1f} s (callbox began after {started - user:.1f} s)")
    plot = box.sh("systemd-analyze plot", seconds=120)
    rig.keep.joinpath("boot.svg").write_text(plot)
    blame = box.sh("systemd-analyze time; systemd-analyze blame --no-pager | head -n 15; systemd-analyze critical-chain callbox.service --no-pager", seconds=120)
    rig.keep.joinpath("boot.txt").write_text(blame)
    rig.row("boot stages as a picture", f"{rig.keep.name}/boot.svg", plot.lstrip().startswith("<?xml"))

    press(box, CALL)
    box.wait("in a call", 60, lambda: box.status().get("call") == "in-call")
    time.sleep(8)
    status = box.status()
    box.sh("callbox hangup")
    box.wait("no call", 30, lambda: box.status().get("call") == "idle")
    rig.row("a press makes a call", f"loudspeaker {status['audio']['playback_level_db']:.0f} dBFS", status["call"] == "in-call")
    time.sleep(2)
    measured, good, limit = tone.judge(rig.work / "heard.wav", 1000)
    rig.row("its sound goes through loudspeaker and microphone to the phone", measured, good, limit)
