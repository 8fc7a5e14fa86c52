"""An update: installed, started from when no call is up, and good once the box
has registered from it and passed its self-test.
"""

import time


def run(rig):
    box = rig.running()
    bundle = rig.bundles.make("1.1.0")
    begin = time.monotonic()
    with rig.server(bundle) as url:
        said = box.sh(f"callbox update --no-restart {url}", seconds=400)
    rig.row("an update over HTTP, emulated", f"{said}, {time.monotonic() - begin:.0f} s", "1.1.0 is installed" in said)
    box.restart()
    boots = f"{box.up(400):.0f} s after it was asked to restart"
    update = box.slot("good", 240)
    rig.row("the new slot is good", f"slot {update['slot']}, {update['version']}", (update["slot"], update["version"]) == ("B", "1.1.0"))
    order = box.sh("fw_printenv BOOT_ORDER BOOT_B_LEFT")
    rig.row("the boot loader starts from it from now on", order.replace("\n", ", "), "B A" in order and "LEFT=3" in order)
    rig.row("its configuration came along", boots, box.status()["session"] == "registered")

