"""What a device of a device tree cannot work without: a reader of the flattened
format (devicetree.org, "Flattened Devicetree Format") and of its references.
"""

import struct

# Properties that name other nodes, and the property that says how many cells follow each.
REFERENCES = {
    "clocks": "#clock-cells", "dmas": "#dma-cells", "resets": "#reset-cells", "power-domains": "#power-domain-cells",
    "gpio": "#gpio-cells", "gpios": "#gpio-cells", "mboxes": "#mbox-cells", "firmware": None, "mmc-pwrseq": None,
}
BEGIN, END, PROPERTY, NOP = 1, 2, 3, 4


class Node:
    def __init__(self, name, parent):
        self.name, self.parent, self.properties = name, parent, {}

    def cells(self, name):
        value = self.properties.get(name, b"")
        return struct.unpack(f">{len(value) // 4}I", value[:len(value) // 4 * 4])

    def compatible(self):
        return [word.decode() for word in self.properties.get("compatible", b"").split(b"\0") if word]


def read(data):
    """The nodes of a tree."""
    _, _, at, strings = struct.unpack(">4I", data[:16])
    nodes, node = [], None
    while True:
        token, = struct.unpack_from(">I", data, at)
        at += 4
        if token == BEGIN:
            end = data.index(b"\0", at)
            node = Node(data[at:end].decode(), node)
            nodes.append(node)
            at = (end + 4) & ~3
        elif token == END:
            node = node.parent
        elif token == PROPERTY:
            length, name = struct.unpack_from(">II", data, at)
            name = data[strings + name:data.index(b"\0", strings + name)].decode()
            node.properties[name] = data[at + 8:at + 8 + length]
            at = (at + 8 + length + 3) & ~3
        elif token != NOP:
            return nodes


def needs(nodes, hosts):
    """What the enabled devices that are compatible with one of `hosts` depend on, with what that depends on: `compatible`s."""
    known = {node.cells("phandle")[0]: node for node in nodes if node.cells("phandle")}
    left = [node for node in nodes if set(hosts) & set(node.compatible()) and node.properties.get("status", b"okay\0") == b"okay\0"]
    found = []
    while left:
        node = left.pop()
        if node is None or node in found:
            continue
        found.append(node)
        left.append(node.parent)
        for name in node.properties:
            kind = "gpios" if name.endswith(("-gpios", "-gpio")) else name
            if kind not in REFERENCES and not name.endswith("-supply"):
                continue
            cells, at = node.cells(name), 0
            while at < len(cells):
                other = known.get(cells[at])
                left.append(other)
                count = REFERENCES.get(kind)
                at += 1 + (other.cells(count)[0] if other and count else 0)
    return [node.compatible() for node in found if node.compatible()]
