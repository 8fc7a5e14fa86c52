#!/usr/bin/env python3
"""What the licences of the linked crates ask to be shown with the binary:
each text once, under the names of the crates that carry it.

    image/notices.py BILL.cdx.json > notices
"""

import collections
import json
import pathlib
import re
import subprocess
import sys


def main():
    bill = json.loads(pathlib.Path(sys.argv[1]).read_text())
    linked = {(part["name"], part["version"]) for part in bill["components"]}
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"]
    crates = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["packages"]
    carriers = collections.defaultdict(list)
    bare = []
    for crate in sorted(crates, key=lambda crate: (crate["name"], crate["version"])):
        if (crate["name"], crate["version"]) not in linked:
            continue
        title = f"{crate['name']} {crate['version']} ({crate['license'] or 'see text'})"
        folder = pathlib.Path(crate["manifest_path"]).parent
        texts = [
            path.read_text(errors="replace").strip()
            for path in sorted(folder.iterdir())
            if path.is_file() and re.match(r"(?i)(licen[cs]e|copying|copyright|notice|unlicense)", path.name)
        ]
        for text in texts:
            carriers[text].append(title)
        if not texts:
            bare.append(f"{title}, {', '.join(crate['authors']) or crate['repository'] or 'no author named'}")
    for text, titles in sorted(carriers.items(), key=lambda item: item[1]):
        print("=" * 78, *titles, "-" * 78, text, "", sep="\n")
    print("=" * 78, "Crates that come without a text of their own:", *bare, sep="\n")


main()
