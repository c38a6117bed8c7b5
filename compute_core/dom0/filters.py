"""Ports of guests kept to their addresses and rules by the flows of Open vSwitch: any number of them with one call.

New flows are written before old ones are deleted, under a cookie that tells one writing from the next: at no moment is a port open that was
not before. Again is fine, and a writing that was broken off is made good by the next one.
"""

import json
import os
import re
import tempfile
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from compute_core.dom0 import arguments, flows, xenstore
from compute_core.dom0.flows import PortFilter
from compute_core.dom0.machine import Machine
from compute_core.dom0.refusal import Arguments, Refusal

_OVS = ("ovs-vsctl", "--timeout=20")
_COOKIE = re.compile(r"cookie=(0x[0-9a-f]+)")
_OURS = f"cookie=0x{flows.TAG:02x}00000000000000/0xff00000000000000"

Writings = Dict[str, Set[int]]
"""Which writings of a bridge's ports there are, by MAC."""


def apply(machine: Machine, given: Arguments) -> Dict[str, Any]:
    """Keep ``ports`` to their filters, and let go of those of ``gone``, or with ``is_whole`` of all others.

    ``ports`` and ``gone`` are lists of maps with ``mac`` and ``bridge``; see ``flows.PortFilter``. ``guests`` are maps as of
    ``xenstore_write``: what guests are told of their interfaces with the same call; one whose domain is gone is left out.
    A port whose filter cannot be is shut, and a bridge that is gone is left out: neither keeps the others from theirs.
    Returns ``{"absent": [MAC, ...], "refused": {MAC: why}}``: those that have no port now, and those that have not what was asked.
    """
    ports, refused = _checked(_maps(given, "ports"))
    gone = [(_mac(port), arguments.text(port, "bridge")) for port in _maps(given, "gone")]
    for guest in _maps(given, "guests"):
        if xenstore.is_domain(machine, arguments.number(guest, "domid")):
            xenstore.write(machine, guest)
    numbers = _ofports(machine) if ports else {}
    is_whole = arguments.is_set(given, "is_whole")
    bridges = _bridges(machine, None if is_whole else {port.bridge for port in ports} | {bridge for _, bridge in gone})
    for bridge in sorted(set(bridges.values())):
        here = [port for port in ports if bridges.get(port.bridge) == bridge and port.mac in numbers]
        left = {mac for mac, where in gone if bridges.get(where) == bridge}
        _write(machine, bridge, here, numbers, None if is_whole else left | {port.mac for port in ports})
    lost = {port.mac: f"no bridge named {port.bridge}" for port in ports if port.mac in numbers and port.bridge not in bridges}
    return {"absent": sorted(port.mac for port in ports if port.mac not in numbers), "refused": {**refused, **lost}}


def traffic(machine: Machine, given: Arguments) -> Dict[str, Dict[str, int]]:
    """What has passed each port of a guest since it came up, by MAC, as the guest sees it: ``{"rx_bytes", "tx_packets", ...}``."""
    del given
    found: Dict[str, Dict[str, int]] = {}
    for row in _interfaces(machine, "statistics"):
        mac, counts = row["external_ids"].get("attached-mac", "").lower(), row["statistics"]
        total = found.setdefault(mac, {}) if mac else {}
        for name, value in counts.items():
            seen = _SEEN.get(name)
            if seen is not None:
                total[seen] = total.get(seen, 0) + value
    return found


_SEEN: Mapping[str, str] = {
    f"{way}_{what}": f"{seen}_{what}" for way, seen in (("rx", "tx"), ("tx", "rx")) for what in ("bytes", "packets", "errors", "dropped")
}
"""What the switch receives the guest has sent."""


def _checked(given: List[Dict[str, Any]]) -> Tuple[List[PortFilter], Dict[str, str]]:
    """Filters, and why there are some that let nothing pass instead, by MAC."""
    ports: List[PortFilter] = []
    refused: Dict[str, str] = {}
    for one in given:
        try:
            port = flows.checked(one)
        except Refusal as refusal:
            port = flows.shut(one)
            refused[port.mac] = str(refusal)
        ports.append(port)
    return ports, refused


def _write(machine: Machine, bridge: str, ports: List[PortFilter], numbers: Mapping[str, List[int]], scope: "Set[str] | None") -> None:
    """``scope``: whose flows are to go unless they are written now; None: everybody's."""
    there = _writings(machine, bridge)
    lines: List[str] = flows.common() if ports else []
    kept: Writings = {"00:00:00:00:00:00": {0}} if ports or scope is not None else {}
    for port in ports:
        generation = _unused(there.get(port.mac, set()))
        lines += flows.flows(port, numbers[port.mac], generation)
        kept[port.mac] = {generation}
    if lines:
        _add(machine, bridge, lines)
    for mac, generations in sorted(there.items()):
        for generation in sorted(generations - kept.get(mac, set())) if scope is None or mac in scope else ():
            machine.run("ovs-ofctl", "del-flows", bridge, f"cookie={flows.cookie(mac, generation)}/-1")


def _add(machine: Machine, bridge: str, lines: Iterable[str]) -> None:
    """In a file, since a command line has an end."""
    folder = machine.path("/tmp")  # noqa: S108  # a file with a name of its own
    os.makedirs(folder, exist_ok=True)
    descriptor, path = tempfile.mkstemp(prefix="inova-flows-", dir=folder)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write("".join(f"{line}\n" for line in lines))
        machine.run("ovs-ofctl", "add-flows", bridge, path[len(machine.root) :])
    finally:
        os.unlink(path)


def _writings(machine: Machine, bridge: str) -> Writings:
    found: Writings = {}
    for text in _COOKIE.findall(machine.run("ovs-ofctl", "dump-flows", bridge, _OURS)):
        mine = flows.generation_of(text)
        if mine is not None:
            found.setdefault(mine[0], set()).add(mine[1])
    return found


def _unused(taken: Set[int]) -> int:
    return next(number for number in range(1, flows.GENERATIONS) if number not in taken)


def _ofports(machine: Machine) -> Dict[str, List[int]]:
    """The switch's numbers of guests' ports, by MAC."""
    found: Dict[str, List[int]] = {}
    for row in _interfaces(machine, "ofport"):
        mac = row["external_ids"].get("attached-mac", "").lower()
        if mac and isinstance(row["ofport"], int) and row["ofport"] > 0:
            found.setdefault(mac, []).append(row["ofport"])
    return {mac: sorted(numbers) for mac, numbers in found.items()}


def _interfaces(machine: Machine, column: str) -> List[Dict[str, Any]]:
    told = json.loads(machine.run(*_OVS, "--format=json", f"--columns=name,external_ids,{column}", "list", "Interface"))
    return [{name: _value(cell) for name, cell in zip(told["headings"], row)} for row in told["data"]]


def _value(cell: Any) -> Any:
    """Maps of OVSDB as maps; its empty sets are None."""
    if isinstance(cell, list) and cell[0] == "map":
        return dict(cell[1])
    if isinstance(cell, list) and cell[0] == "set":
        return None
    return cell


def _bridges(machine: Machine, wanted: Optional[Set[str]]) -> Dict[str, str]:
    """The bridge that has the flows, by the name of each (None: of all) that is there: that of a VLAN is only a part of another."""
    names = machine.run(*_OVS, "list-br").split() if wanted is None or wanted else []
    return {name: machine.run(*_OVS, "br-to-parent", name).strip() for name in names if wanted is None or name in wanted}


def _maps(given: Arguments, name: str) -> List[Dict[str, Any]]:
    return arguments.maps(given, name) if given.get(name) else []


def _mac(given: Dict[str, Any]) -> str:
    mac = arguments.text(given, "mac")
    if not flows.MAC.fullmatch(mac):
        raise arguments.bad("mac", f"is no MAC: {mac!r}")
    return mac
