"""What Open vSwitch knows of a host: its bridges, the ports of running guests with their numbers and counts, and the flows of each bridge.

Ports of guests follow from VIFs that are attached; only their numbers are kept, so that a guest that starts anew gets others, as from a
real switch. Flows stay until somebody deletes them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fake_xapi.dom0 import flow_tables
from fake_xapi.dom0.plugins.network_config import STATE, Network, changed
from fake_xapi.dom0.plugins.place import Dom0, PluginError
from fake_xapi.dom0.traffic import vif_bytes
from fake_xapi.state.ids import Id
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.networks.pif_kinds import local_pif

Words = list[str]
_PACKET_BYTES = 1000
"""What a packet carries, for counts of packets."""
_COLUMNS = ("name", "ofport", "external_ids", "statistics")


# ---- bridges ---------------------------------------------------------------------------------------------------------------------


def parent_of(dom0: Dom0, bridge: str) -> str:
    """The bridge that a bridge is a part of: for that of a VLAN the one below, for every other itself. PluginError: there is none."""
    for network, row in dom0.world.rows("network"):
        if row["bridge"] == bridge:
            pif = local_pif(dom0.world, network, dom0.host)
            tagged = _tagged(dom0, pif) if pif else None
            return parent_of(dom0, dom0.world[dom0.world[tagged]["network"]]["bridge"]) if tagged else bridge
    made: dict[str, Any] = dom0.read_json(STATE).get("bridges", {})
    if made.get(bridge, {}).get("kind") != "ovs":
        raise PluginError(f"ovs-vsctl: no bridge named {bridge}")
    return bridge


def _tagged(dom0: Dom0, pif: Id) -> Id | None:
    vlan = dom0.world.get(dom0.world[pif]["VLAN_master_of"])
    return vlan["tagged_PIF"] if vlan is not None else None


def bridges(dom0: Dom0, state: Network) -> list[str]:
    """The names of all bridges of Open vSwitch."""
    reached = {row["bridge"] for network, row in dom0.world.rows("network") if local_pif(dom0.world, network, dom0.host)}
    used = {bridge for bridge, _, _ in _ports_of_guests(dom0)}
    made = {name for name, bridge in state["bridges"].items() if bridge["kind"] == "ovs"}
    return sorted(reached | used | made)


# ---- ports -----------------------------------------------------------------------------------------------------------------------


def interfaces(dom0: Dom0, words: Words) -> str:
    """``ovs-vsctl list Interface`` as JSON; ``words`` are its options."""
    options = dict(word.lstrip("-").split("=", 1) for word in words if "=" in word)
    columns = options.get("columns", ",".join(_COLUMNS)).split(",")
    if options.get("format") != "json" or set(columns) - set(_COLUMNS):
        raise PluginError(f"ovs-vsctl: this simulated dom0 does not list {' '.join(words)}")
    return changed(dom0, lambda state: _listed(dom0, state, columns))


def _listed(dom0: Dom0, state: Network, columns: Words) -> str:
    rows = [{"name": name, "ofport": ["set", []], **told} for name, told in _rows(dom0, state)]
    return json.dumps({"headings": columns, "data": [[row[column] for column in columns] for row in rows]}) + "\n"


def _rows(dom0: Dom0, state: Network) -> Iterator[tuple[str, dict[str, Any]]]:
    ports = list(_ports_of_guests(dom0))
    numbers = _numbered(dom0, state, [(bridge, name) for bridge, name, _ in ports])
    for _, name, vif in ports:
        yield name, {"ofport": numbers[name], "external_ids": _ids(dom0, vif), "statistics": _statistics(dom0, vif, name)}
    for name, interface in state["interfaces"].items():
        ids = ["map", sorted(map(list, interface["external_ids"].items()))]
        yield name, {"external_ids": ids, "statistics": ["map", []]}


def _ports_of_guests(dom0: Dom0) -> Iterator[tuple[str, str, Id]]:
    """Bridge, name and VIF; a guest that is not paravirtual has an emulated card beside each."""
    for vm in dom0.world[dom0.host]["resident_VMs"]:
        row = dom0.world[vm]
        for vif in row["VIFs"]:
            network = dom0.world.get(dom0.world[vif]["network"])
            if dom0.world[vif]["currently_attached"] and network is not None:
                for kind in ("vif", "tap") if row["HVM_boot_policy"] else ("vif",):
                    yield network["bridge"], f"{kind}{row['domid']}.{dom0.world[vif]['device']}", vif


def _numbered(dom0: Dom0, state: Network, ports: list[tuple[str, str]]) -> Mapping[str, int]:
    """The numbers of ports on their bridges; those of ports that are gone are not given again."""
    before = state.setdefault("ofports", {})
    last: dict[str, int] = state.setdefault("last_ofports", {})
    numbers = {name: before[name] for _, name in ports if name in before}
    for bridge, name in ports:
        if name not in numbers:
            parent = parent_of(dom0, bridge)
            numbers[name] = last[parent] = last.get(parent, 0) + 1
    state["ofports"] = numbers
    return numbers


def _ids(dom0: Dom0, vif: Id) -> list[Any]:
    row, world = dom0.world[vif], dom0.world
    ids = {
        "attached-mac": row["MAC"],
        "xs-network-uuid": world.uuid(row["network"]),
        "xs-vif-uuid": world.uuid(vif),
        "xs-vm-uuid": world.uuid(row["VM"]),
    }
    return ["map", sorted(map(list, ids.items()))]


def _statistics(dom0: Dom0, vif: Id, name: str) -> list[Any]:
    """What the switch receives the guest has sent. A guest uses one of its two cards."""
    passed = vif_bytes(dom0.world, vif, moment(dom0.call.now()))
    counts = {"rx_bytes": int(passed.tx), "tx_bytes": int(passed.rx)} if name.startswith("vif") else {"rx_bytes": 0, "tx_bytes": 0}
    packets = {f"{way}_packets": math.ceil(counts[f"{way}_bytes"] / _PACKET_BYTES) for way in ("rx", "tx")}
    none = dict.fromkeys((f"{way}_{what}" for way in ("rx", "tx") for what in ("dropped", "errors")), 0)
    return ["map", sorted(map(list, {**counts, **packets, **none}.items()))]


# ---- flows -----------------------------------------------------------------------------------------------------------------------


def ovs_ofctl(dom0: Dom0, top: Path, words: Words) -> str:
    """``ovs-ofctl``: add-flow, add-flows from a file of dom0, del-flows, dump-flows."""
    is_strict, rest = "--strict" in words, [word for word in words if not word.startswith("--")]
    match rest:
        case ["add-flow", bridge, flow]:
            return _change(dom0, bridge, lambda flows: flow_tables.added(flows, [flow_tables.parsed(flow)]))
        case ["add-flows", bridge, path]:
            new = [flow_tables.parsed(line) for line in _lines(dom0, top, path)]
            return _change(dom0, bridge, lambda flows: flow_tables.added(flows, new))
        case ["del-flows", bridge, *matches] if len(matches) < 2:
            return _change(dom0, bridge, lambda flows: flow_tables.removed(flows, "".join(matches), is_strict=is_strict))
        case ["dump-flows", bridge, *matches] if len(matches) < 2:
            there = _bridge(dom0, dom0.read_json(STATE), bridge)
            return flow_tables.shown(flow_tables.selected(flow_tables.of_state(there), "".join(matches)))
    raise PluginError(f"ovs-ofctl: this simulated dom0 does not know: {' '.join(words)}")


def _change(dom0: Dom0, bridge: str, change: Callable[[list[flow_tables.Flow]], list[flow_tables.Flow]]) -> str:
    def apply(state: Network) -> str:
        there = _bridge(dom0, state, bridge)
        state["bridges"][bridge] = {**there, "flows": change(flow_tables.of_state(there))}
        return ""

    return changed(dom0, apply)


def _bridge(dom0: Dom0, state: Mapping[str, Any], bridge: str) -> Mapping[str, Any]:
    """What is kept of a bridge; one of a VLAN has no flows of its own."""
    try:
        is_whole = parent_of(dom0, bridge) == bridge
    except PluginError:
        is_whole = False
    if not is_whole:
        raise PluginError(f"ovs-ofctl: {bridge} is not a bridge or a socket")
    found: Mapping[str, Any] = state.get("bridges", {}).get(bridge, {"kind": "ovs", "ports": []})
    return found


def _lines(dom0: Dom0, top: Path, path: str) -> list[str]:
    root = top / "hosts" / dom0.world.uuid(dom0.host)
    file = (root / path.lstrip("/")).resolve()
    if not file.is_relative_to(root.resolve()) or not file.is_file():
        raise PluginError(f"ovs-ofctl: {path}: open failed (No such file or directory)")
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]
