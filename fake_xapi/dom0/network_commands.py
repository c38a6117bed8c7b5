"""``ip``, ``brctl`` and ``ovs-vsctl`` as scripts run them: their words matched, and done to the network that dom0's plugins keep.

What a real one would refuse is PluginError with its text. Words that are not known are refused as the real ones refuse wrong usage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fake_xapi.datamodel.digits import whole
from fake_xapi.dom0 import switch
from fake_xapi.dom0.plugins.network_config import COMMANDS, Network, changed
from fake_xapi.dom0.plugins.place import Dom0, PluginError

Words = list[str]


def _run(dom0: Dom0, cmd: str, **args: str) -> str:
    return changed(dom0, lambda state: COMMANDS[cmd](dom0, state, args))


def _usage(command: str, words: Words) -> PluginError:
    return PluginError(f"{command}: this simulated dom0 does not know: {' '.join(words)}")


# ---- ip --------------------------------------------------------------------------------------------------------------------------


def ip(dom0: Dom0, words: Words) -> str:
    """``ip link`` show, add, delete and set."""
    match words:
        case ["-o", "link", "show", "dev", name, "master", bridge]:
            shown = _run(dom0, "ip_link_get_dev", device_name=name)
            return shown if name in changed(dom0, lambda state: _ports(state, bridge)) else ""
        case ["link", "show", "dev", name] | ["link", "show", name] | ["-o", "link", "show", "dev", name]:
            return _run(dom0, "ip_link_get_dev", device_name=name)
        case ["link", "add", name, "type", "veth", "peer", "name", peer]:
            return _run(dom0, "ip_link_add_veth_pair", dev1_name=name, dev2_name=peer)
        case ["link", "add", name, "type", "bridge"]:
            return _run(dom0, "brctl_add_br", bridge_name=name)
        case ["link", "delete" | "del", "dev", name] | ["link", "delete" | "del", name]:
            return _run(dom0, "ip_link_del_dev", device_name=name)
        case ["link", "set", "dev", name, *change] | ["link", "set", name, *change]:
            return _set(dom0, name, change, words)
    raise _usage("ip", words)


def _ports(state: Network, bridge: str) -> str:
    return " ".join(state["bridges"].get(bridge, {}).get("ports", ()))


def _set(dom0: Dom0, name: str, change: Words, words: Words) -> str:
    match change:
        case ["up" | "down" as option]:
            return _run(dom0, "ip_link_set_dev", device_name=name, option=option)
        case ["promisc", "on" | "off" as option]:
            return _run(dom0, "ip_link_set_promisc", device_name=name, option=option)
        case ["mtu", mtu] if whole(mtu) is not None:
            return changed(dom0, lambda state: _note_mtu(dom0, state, name, mtu))
    raise _usage("ip", words)


def _note_mtu(dom0: Dom0, state: Network, name: str, mtu: str) -> str:
    COMMANDS["ip_link_get_dev"](dom0, state, {"device_name": name})
    state["links"].setdefault(name, {"peer": "", "up": True, "promisc": False})["mtu"] = mtu
    return ""


# ---- brctl -----------------------------------------------------------------------------------------------------------------------


def brctl(dom0: Dom0, words: Words) -> str:
    """Bridges of the kernel."""
    match words:
        case ["addbr" | "delbr" as word, bridge]:
            return _run(dom0, {"addbr": "brctl_add_br", "delbr": "brctl_del_br"}[word], bridge_name=bridge)
        case ["addif" | "delif" as word, bridge, interface]:
            return _run(dom0, {"addif": "brctl_add_if", "delif": "brctl_del_if"}[word], bridge_name=bridge, interface_name=interface)
        case ["setfd", bridge, seconds]:
            return _run(dom0, "brctl_set_fd", bridge_name=bridge, fd=seconds)
        case ["stp", bridge, "on" | "off" as option]:
            return _run(dom0, "brctl_set_stp", bridge_name=bridge, option=option)
    raise _usage("brctl", words)


# ---- ovs-vsctl -------------------------------------------------------------------------------------------------------------------


def ovs_vsctl(dom0: Dom0, words: Words) -> str:
    """Open vSwitch: one command or more, with ``--`` between them."""
    return "".join(_ovs(dom0, part) for part in _parts(words))


def _parts(words: Words) -> list[Words]:
    parts: list[Words] = [[]]
    for word in words:
        if word == "--":
            parts.append([])
        elif not word.startswith("--timeout="):
            parts[-1].append(word)
    return [part for part in parts if part]


def _ovs(dom0: Dom0, words: Words) -> str:
    options, rest = {word for word in words if word.startswith("--")}, [word for word in words if not word.startswith("--")]
    match rest:
        case ["list-br"]:
            return changed(dom0, lambda state: "".join(f"{name}\n" for name in switch.bridges(dom0, state)))
        case ["br-exists", bridge]:
            return changed(dom0, lambda state: _require_bridge(state, bridge))
        case ["br-to-parent", bridge]:
            return f"{switch.parent_of(dom0, bridge)}\n"
        case ["list", "Interface" | "interface"]:
            return switch.interfaces(dom0, sorted(options))
    return _ovs_change(dom0, rest, may_exist="--may-exist" in options)


def _ovs_change(dom0: Dom0, words: Words, *, may_exist: bool) -> str:
    match words:
        case ["add-br", bridge]:
            return changed(dom0, lambda state: _add_bridge(state, bridge, may_exist=may_exist))
        case ["del-br", bridge]:
            return _run(dom0, "ovs_del_br", bridge_name=bridge)
        case ["add-port", bridge, port, *columns]:
            _run(dom0, "ovs_add_port", bridge_name=bridge, port_name=port)
            return changed(dom0, lambda state: _note(state, port, columns))
        case ["del-port", bridge, port]:
            return _run(dom0, "ovs_del_port", bridge_name=bridge, port_name=port)
        case ["set", "Interface" | "interface" | "Port" | "port", port, *columns]:
            return changed(dom0, lambda state: _note_existing(state, port, columns))
    raise _usage("ovs-vsctl", words)


def _add_bridge(state: Network, bridge: str, *, may_exist: bool) -> str:
    if bridge in state["bridges"] and not may_exist:
        raise PluginError(f"ovs-vsctl: cannot create a bridge named {bridge} because a bridge named {bridge} already exists")
    state["bridges"].setdefault(bridge, {"kind": "ovs", "ports": []})
    return ""


def _require_bridge(state: Network, bridge: str) -> str:
    if state["bridges"].get(bridge, {}).get("kind") != "ovs":
        raise PluginError("")
    return ""


def _note_existing(state: Network, port: str, columns: Words) -> str:
    if port not in state["interfaces"] and not any(port in bridge["ports"] for bridge in state["bridges"].values()):
        raise PluginError(f'ovs-vsctl: no row "{port}" in table Interface')
    return _note(state, port, columns)


def _note(state: Network, port: str, columns: Words) -> str:
    """Set columns: ``key=value``, or ``column:key=value`` in a map."""
    interface: dict[str, Any] = state["interfaces"].setdefault(port, {"external_ids": {}})
    for column in columns:
        name, _, value = column.partition("=")
        outer, _, key = name.replace("external-ids", "external_ids").partition(":")
        value = value.strip('"')
        if key:
            interface.setdefault(outer, {})[key] = value
        else:
            interface[outer] = value
    return ""


NETWORK_COMMANDS: Mapping[str, Callable[[Dom0, Words], str]] = {"ip": ip, "brctl": brctl, "ovs-vsctl": ovs_vsctl}
"""By their names. What ``br-exists`` says no to ends with code 2, all else with 1."""
