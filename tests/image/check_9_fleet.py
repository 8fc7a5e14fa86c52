"""A fleet's server offers updates: the box takes them by itself, by the same
rules as by hand, and never in a call.
"""

import time

from hawkbit import HawkBit

UPDATER = "rauc-hawkbit-updater"
TARGET, TOKEN = "test-box", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


def run(rig):
    with HawkBit(TARGET, TOKEN) as hawkbit:
        fleet = f'fleet = {{ server = "{hawkbit.url}", allow-plaintext = true, target = "{TARGET}", token = "{TOKEN}" }}\n'
        box = rig.new_box("fleet")
        box.put("callbox-setup.toml", rig.setup.replace("[core]", fleet + "[core]", 1))
        box.start()
        box.up()
        try:
            updates(rig, box, hawkbit)
        finally:
            # What the updater and RAUC said stands in the box's log alone.
            said = box.sh(f"journalctl -b all -o short -u {UPDATER} -u callbox-fleet -u rauc -n 300", check=False)[1]
            (rig.keep / "fleet.log").write_text(box.console.read_text(errors="replace") + said)
            box.drop()


def updates(rig, box, hawkbit):
    box.slot("good", 300)
    box.wait("its attributes", 120, lambda: hawkbit.attributes.get("state") == "good")
    told = hawkbit.attributes
    rig.row("it tells the server what it is", f"{told['board']}, slot {told['slot']}, {told['version']}, {told['state']}",
            (told["slot"], told["version"]) == ("A", "1.0.0"))
    mode = box.sh("stat -c '%a %U' /etc/callbox/fleet.conf /run/callbox-image/fleet/config.conf").split("\n")
    rig.row("its token is for the updater's eyes alone", ", ".join(mode), mode == ["600 root", "600 rauc-hawkbit"])

    older = rig.bundles.make("0.9.0")
    hawkbit.offer(older, "0.9.0")
    box.wait("the older one refused", 240, hawkbit.closed)
    rig.row("an older version is refused, and the server told", f"{hawkbit.closed()}: {hawkbit.details()[-1]}", hawkbit.closed() == "failure")

    newer = rig.bundles.make("1.2.0")
    box.sh("callbox call flat")
    box.wait("a call", 60, lambda: box.status().get("call") == "in-call")
    begin = time.monotonic()
    box.wait("the updater to stand still", 60, lambda: "frozen" in box.sh(f"systemctl show -p FreezerState {UPDATER}"))
    rig.row("a call stops the updater, emulated", f"after {time.monotonic() - begin:.0f} s")
    hawkbit.offer(newer, "1.2.0")
    polls = hawkbit.polls
    time.sleep(30)
    rig.row("in a call it neither asks nor fetches, for 30 s", f"{hawkbit.polls - polls} polls, {hawkbit.fetched} bytes",
            box.status()["call"] == "in-call" and hawkbit.polls == polls and not hawkbit.fetched)
    box.sh("callbox hangup")
    begin = time.monotonic()
    box.wait("the update", 400, hawkbit.closed)
    rig.row("the call over, it installs, and the server is told", f"{hawkbit.closed()} after {time.monotonic() - begin:.0f} s", hawkbit.closed() == "success")
    hawkbit.ask_attributes = True
    box.up(300)
    update = box.slot("good", 300)
    rig.row("it starts from it, registers, and its slot is good", f"slot {update['slot']}, {update['version']}",
            (update["slot"], update["version"]) == ("B", "1.2.0"))
    told = box.wait("its attributes", 120, lambda: hawkbit.attributes["version"] == "1.2.0" and hawkbit.attributes)
    rig.row("the server is told when it asks", f"slot {told['slot']}, {told['state']}", (told["slot"], told["state"]) == ("B", "good"))
    rig.row("with no token but the right one", f"{hawkbit.refused} refused", hawkbit.refused == 0)
