"""Bundles that must not be installed, each refused with its reason; and none in a call."""

from check_1_start import CALL, press


def send(rig, box, bundle):
    """Serves a bundle to the box and has it updated from there; exit status and words."""
    with rig.server(bundle) as url:
        return box.sh(f"callbox update --no-restart {url}", seconds=300, check=False)


def run(rig):
    box = rig.running()
    before = box.sh("fw_printenv BOOT_ORDER; sha256sum /dev/callbox/slot-b | cut -c 1-16")
    good = rig.bundles.make("1.1.0")
    for what, bundle, word in [
        ("another key", rig.bundles.make("1.1.0", keys=rig.given.other_keys), "signature"),
        ("a flipped bit", rig.bundles.flipped(good), "signature"),
        ("another board", rig.bundles.make("1.1.0", compatible="callbox-rpi-arm64"), "callbox-rpi-arm64"),
        ("an older version", rig.bundles.make("0.9.0"), "0.9.0"),
        ("the same version", rig.bundles.make("1.0.0"), "1.0.0"),
    ]:
        code, said = send(rig, box, bundle)
        rig.row(f"{what} is refused", said.splitlines()[-1][-100:] if said else f"status {code}", code == 1 and word in said)
    # RAUC asks as well, when somebody goes past `callbox update`.
    with rig.server(rig.bundles.make("0.9.0")) as url:
        code, said = box.sh(f"wget -q -O /data/old.raucb {url} && rauc install /data/old.raucb; r=$?; rm -f /data/old.raucb; exit $r",
                            seconds=300, check=False)
    rig.row("an older version is refused by RAUC itself", said.splitlines()[-1][-100:], code != 0)
    press(box, CALL)
    box.wait("in a call", 60, lambda: box.status().get("call") == "in-call")
    code, said = send(rig, box, good)
    rig.row("nothing is installed in a call", said.splitlines()[-1][-100:], code == 1 and "call" in said)
    box.sh("callbox hangup")
    box.wait("no call", 30, lambda: box.status().get("call") == "idle")
    after = box.sh("fw_printenv BOOT_ORDER; sha256sum /dev/callbox/slot-b | cut -c 1-16")
    rig.row("the other slot and the boot order are as they were", after.replace("\n", ", "), before == after)
