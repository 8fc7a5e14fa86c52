#!/usr/bin/env python3
"""How many crates a device runs, which of them twice, and how much `unsafe`
is in them: keywords outside comments and strings in what the crate is
compiled from, for every machine (what for Windows is not counted apart).

    tests/support/dependencies.py [--target TRIPLE] [--all]
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess

# Comments, strings and characters, or the keyword; the first that fits wins.
TOKENS = re.compile(
    r'''//[^\n]*|/\*.*?\*/|b?"(?:\\.|[^"\\])*"|r(#*)".*?"\1|'(?:\\.[^']*|[^'\\])'|\bunsafe\b''', re.DOTALL
)
# Not part of what a dependant links.
ASIDE = {"tests", "test", "benches", "bench", "examples", "fuzz"}


def run(*command):
    return subprocess.run(["cargo", *command], check=True, capture_output=True, text=True).stdout


def linked(target):
    """The packages that the device's binary is linked from, without build tools and procedural macros."""
    features = ["--no-default-features", "--features", "device"]
    tree = run("tree", "--locked", *features, "--target", target, "--edges", "normal,no-proc-macro", "--prefix", "none")
    names = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    packages = json.loads(run("metadata", "--locked", "--format-version", "1", "--all-features"))["packages"]
    found = [package for package in packages if (package["name"], f"v{package['version']}") in names]
    assert len(found) == len(names), "cargo tree and cargo metadata differ"
    root = next(package for package in found if package["name"] == "callbox")
    return [package for package in found if package is not root], root


def unsafe_in(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    count = 0
    for path in folder.rglob("*.rs"):
        parts = path.relative_to(folder).parts
        if ASIDE.isdisjoint(parts[:-1]) and parts[0] not in ("build.rs", "target"):
            text = path.read_text(errors="replace")
            count += sum(match.group() == "unsafe" for match in TOKENS.finditer(text))
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--target", default="aarch64-unknown-linux-gnu")
    parser.add_argument("--all", action="store_true", help="every crate, not only those with the most")
    arguments = parser.parse_args()
    packages, root = linked(arguments.target)
    versions = collections.defaultdict(list)
    for package in packages:
        versions[package["name"]].append(package["version"])
    print(f"dependencies: {len(packages)} crates are linked for {arguments.target}")
    for name, twice in sorted(versions.items()):
        if len(twice) > 1:
            print(f"dependencies: {name} in {len(twice)} versions: {', '.join(sorted(twice))}")
    counts = sorted(((unsafe_in(package), package["name"], package["version"]) for package in packages), reverse=True)
    without = sum(count == 0 for count, _, _ in counts)
    print(f"unsafe: {unsafe_in(root)} in callbox itself; {without} of {len(counts)} crates are without")
    print(f"unsafe: {sum(count for count, _, _ in counts)} in the others, most of it in")
    for count, name, version in counts if arguments.all else counts[:15]:
        print(f"{count:8} {name} {version}")


main()
