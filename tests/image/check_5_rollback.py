"""A bad update, each kind by itself: the box is back in the old slot without a
hand laid on it, registered, and tells why.
"""

from bundles import FAULTS


def run(rig):
    for number, fault in enumerate(FAULTS):
        box = rig.running()
        old = box.wait("the slot's state", 120, lambda: box.status().get("update"))
        version = f"1.{number + 2}.0"
        with rig.server(rig.bundles.make(version, fault)) as url:
            box.sh(f"callbox update --no-restart {url}", seconds=400)
        box.restart()
        update = box.back("rolled-back", 900)
        box.registered()
        rig.row(f"an update that {fault}: back in the old slot", f"slot {update['slot']} {update['version']} after {box.since():.0f} s",
                (update["slot"], update["version"]) == (old["slot"], old["version"]))
        rig.row(f"an update that {fault}: the box tells", update["detail"][:60], version in update["detail"])
        box.sh("rm -f /data/update/pending /data/update/why")
