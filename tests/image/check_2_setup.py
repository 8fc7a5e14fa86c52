"""A set-up that is wrong is refused with every mistake, beside it, on the
console and as a fault; the box runs on with the one that it has.
"""


def run(rig):
    box = rig.running()
    box.pull()
    box.put("callbox-setup.toml", rig.setup.replace('to = ["flat"]', 'to = ["flt"]'))
    box.start()
    box.up()
    status = box.registered()
    # Looked for every two seconds.
    fault = box.wait("the fault", 20, lambda: [f for f in box.status()["faults"] if f["fault"] == "machine-trouble"])
    rig.row("a wrong set-up is a fault", fault[0]["detail"][:60], "callbox-setup.toml" in fault[0]["detail"])
    lamp = status["leds"].get("fault")
    rig.row("the box serves on with the set-up that it had, and its lamp tells", f"registered, lamp {box.status()['leds'].get('fault', lamp)}",
            box.status()["leds"].get("fault") not in (None, "off"))
    rig.row("the console tells", "line and cure", "callbox-setup.toml was refused" in box.console.read_text(errors="replace"))
    box.sh("(sleep 1; systemctl poweroff) >/dev/null 2>&1 &")
    box.ended(120)
    errors = box.text("callbox-setup.errors.txt")
    rig.row("so does a file beside it", errors.splitlines()[0][:58], "flt" in errors and ":23:" in errors)
    rig.row("the refused set-up stays for whoever mends it", "there", "callbox-setup.toml" in box.files())
    box.put("callbox-setup.toml", rig.setup)
    box.start()
    box.up()
    box.registered()
    rig.row("the mended one is taken", "no fault", not [f for f in box.status()["faults"] if f["fault"] == "machine-trouble"])
