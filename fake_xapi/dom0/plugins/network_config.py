"""``xenhost.network_config``: bridges, ports and links of dom0's network, kept as its switch and kernel would keep them.

The commands are those that OpenStack's interface driver runs. One that fails says so in PluginError, as the real ones' exit codes do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fake_xapi.dom0.plugins.place import Dom0, PluginError

STATE = "/var/run/nonpersistent/network.json"
Network = dict[str, dict[str, Any]]
"""``bridges`` by name: kind, ports, fd, stp; ``links`` by name: peer, up, promisc; ``interfaces`` by port: external ids and options."""
Named = Mapping[str, Any]


def network_config(dom0: Dom0, given: Named) -> str:
    """Run one command: ``{"cmd": ..., "args": {...}}``. Returns what it prints."""
    if not isinstance(given, dict) or "cmd" not in given:
        raise PluginError("Argument 'cmd' is required.", "ArgumentError")
    cmd, args = given["cmd"], given.get("args", {})
    if cmd not in COMMANDS:
        raise PluginError(f"The command of {cmd} is not in the allowed list: {', '.join(COMMANDS)}")
    try:
        return changed(dom0, lambda state: COMMANDS[cmd](dom0, state, args))
    except KeyError as missing:
        raise PluginError(f"Argument {missing} is required.", "ArgumentError") from missing


def changed(dom0: Dom0, change: Callable[[Network], str]) -> str:
    """Let a command change what is kept of the network, or refuse and leave it. Returns what it prints."""
    state: Network = {"bridges": {}, "links": {}, "interfaces": {}, **dom0.read_json(STATE)}
    printed = change(state)
    dom0.write(STATE, json.dumps(state))
    return printed


def _failed(text: str) -> PluginError:
    return PluginError(f"command failed with code 1: {text}")


# ---- what is there ---------------------------------------------------------------------------------------------------------------


def _bridge(dom0: Dom0, state: Network, name: str, kind: str) -> dict[str, Any]:
    """A bridge that was made here, or that XAPI made for a network."""
    found = state["bridges"].get(name)
    if found is None and kind == "ovs" and any(row["bridge"] == name for _, row in dom0.world.rows("network")):
        found = state["bridges"][name] = {"kind": "ovs", "ports": []}
    if found is None or found["kind"] != kind:
        raise _failed(f"no bridge named {name}")
    bridge: dict[str, Any] = found
    return bridge


def _devices_of_xapi(dom0: Dom0) -> Iterator[str]:
    """The links that XAPI and its domains have: interfaces of the host, their bridges, and back ends of running VMs."""
    for pif in dom0.world[dom0.host]["PIFs"]:
        yield dom0.world[pif]["device"]
        network = dom0.world.get(dom0.world[pif]["network"])
        if network is not None:
            yield network["bridge"]
    for vm in dom0.world[dom0.host]["resident_VMs"]:
        for vif in dom0.world[vm]["VIFs"]:
            if dom0.world[vif]["currently_attached"]:
                yield f"vif{dom0.world[vm]['domid']}.{dom0.world[vif]['device']}"
                yield f"tap{dom0.world[vm]['domid']}.{dom0.world[vif]['device']}"


def _is_device(dom0: Dom0, state: Network, name: str) -> bool:
    return name in state["links"] or name in state["bridges"] or name in set(_devices_of_xapi(dom0))


def _link(dom0: Dom0, state: Network, name: str) -> dict[str, Any]:
    if not _is_device(dom0, state, name):
        raise _failed(f'Device "{name}" does not exist.')
    link: dict[str, Any] = state["links"].setdefault(name, {"peer": "", "up": False, "promisc": False})
    return link


# ---- Open vSwitch ----------------------------------------------------------------------------------------------------------------


def _take_port_away(state: Network, port: str) -> bool:
    holders = [bridge for bridge in state["bridges"].values() if port in bridge["ports"]]
    for bridge in holders:
        bridge["ports"].remove(port)
    return bool(holders)


def _ovs_create_port(dom0: Dom0, state: Network, args: Named) -> str:
    ids = {"iface-id": args["iface-id"], "iface-status": args["status"], "attached-mac": args["mac"]}
    _take_port_away(state, args["port"])
    _bridge(dom0, state, args["bridge"], "ovs")["ports"].append(args["port"])
    state["interfaces"][args["port"]] = {"external_ids": ids}
    return ""


def _ovs_add_port(dom0: Dom0, state: Network, args: Named) -> str:
    bridge = _bridge(dom0, state, args["bridge_name"], "ovs")
    _take_port_away(state, args["port_name"])
    bridge["ports"].append(args["port_name"])
    return ""


def _ovs_del_port(dom0: Dom0, state: Network, args: Named) -> str:
    bridge = _bridge(dom0, state, args["bridge_name"], "ovs")
    if args["port_name"] in bridge["ports"]:
        bridge["ports"].remove(args["port_name"])
    state["interfaces"].pop(args["port_name"], None)
    return ""


def _ovs_del_br(dom0: Dom0, state: Network, args: Named) -> str:
    if state["bridges"].get(args["bridge_name"], {}).get("kind") == "ovs":
        del state["bridges"][args["bridge_name"]]
    return ""


def _ovs_set_if_external_id(dom0: Dom0, state: Network, args: Named) -> str:
    interface = state["interfaces"].setdefault(args["interface"], {"external_ids": {}})
    interface["external_ids"][args["extneral_id" if "extneral_id" in args else "external_id"]] = args["value"]
    return ""


def _ovs_add_patch_port(dom0: Dom0, state: Network, args: Named) -> str:
    _ovs_add_port(dom0, state, args)
    state["interfaces"][args["port_name"]] = {"external_ids": {}, "type": "patch", "peer": args["peer_port_name"]}
    return ""


# ---- the kernel's bridges and links ----------------------------------------------------------------------------------------------


def _brctl_add_br(dom0: Dom0, state: Network, args: Named) -> str:
    if _is_device(dom0, state, args["bridge_name"]):
        raise _failed(f"device {args['bridge_name']} already exists; can't create bridge with the same name")
    state["bridges"][args["bridge_name"]] = {"kind": "linux", "ports": [], "fd": "15", "stp": "off"}
    return ""


def _brctl_del_br(dom0: Dom0, state: Network, args: Named) -> str:
    _bridge(dom0, state, args["bridge_name"], "linux")
    if state["links"].get(args["bridge_name"], {}).get("up"):
        raise _failed(f"bridge {args['bridge_name']} is still up; can't delete it")
    del state["bridges"][args["bridge_name"]]
    state["links"].pop(args["bridge_name"], None)
    return ""


def _brctl_add_if(dom0: Dom0, state: Network, args: Named) -> str:
    bridge = _bridge(dom0, state, args["bridge_name"], "linux")
    _link(dom0, state, args["interface_name"])
    if any(args["interface_name"] in other["ports"] for other in state["bridges"].values()):
        raise _failed(f"device {args['interface_name']} is already a member of a bridge; can't enslave it")
    bridge["ports"].append(args["interface_name"])
    return ""


def _brctl_del_if(dom0: Dom0, state: Network, args: Named) -> str:
    bridge = _bridge(dom0, state, args["bridge_name"], "linux")
    if args["interface_name"] not in bridge["ports"]:
        raise _failed(f"device {args['interface_name']} is not a slave of {args['bridge_name']}")
    bridge["ports"].remove(args["interface_name"])
    return ""


def _brctl_sets(key: str, argument: str) -> Callable[[Dom0, Network, Named], str]:
    def run(dom0: Dom0, state: Network, args: Named) -> str:
        _bridge(dom0, state, args["bridge_name"], "linux")[key] = args[argument]
        return ""

    return run


def _ip_link_add_veth_pair(dom0: Dom0, state: Network, args: Named) -> str:
    first, second = args["dev1_name"], args["dev2_name"]
    if _is_device(dom0, state, first) or _is_device(dom0, state, second):
        raise _failed("RTNETLINK answers: File exists")
    for name, peer in ((first, second), (second, first)):
        state["links"][name] = {"peer": peer, "up": False, "promisc": False}
    return ""


def _ip_link_get_dev(dom0: Dom0, state: Network, args: Named) -> str:
    name = args["device_name"]
    if not _is_device(dom0, state, name):
        raise _failed(f'Device "{name}" does not exist.')
    link = state["links"].get(name, {})
    flags = ",".join(["BROADCAST", "MULTICAST", *(["PROMISC"] if link.get("promisc") else []), *(["UP"] if link.get("up", True) else [])])
    return f"{name}: <{flags}> mtu 1500 qdisc mq state {'UP' if link.get('up', True) else 'DOWN'}\n"


def _ip_link_del_dev(dom0: Dom0, state: Network, args: Named) -> str:
    """A pair goes as a whole."""
    peer = _link(dom0, state, args["device_name"])["peer"]
    for name in filter(None, (args["device_name"], peer)):
        state["links"].pop(name, None)
        _take_port_away(state, name)
    return ""


def _ip_link_set_dev(dom0: Dom0, state: Network, args: Named) -> str:
    _link(dom0, state, args["device_name"])["up"] = args["option"] == "up"
    return ""


def _ip_link_set_promisc(dom0: Dom0, state: Network, args: Named) -> str:
    _link(dom0, state, args["device_name"])["promisc"] = args["option"] == "on"
    return ""


COMMANDS: Mapping[str, Callable[[Dom0, Network, Named], str]] = {
    "ovs_create_port": _ovs_create_port,
    "ovs_add_port": _ovs_add_port,
    "ovs_del_port": _ovs_del_port,
    "ovs_del_br": _ovs_del_br,
    "ovs_set_if_external_id": _ovs_set_if_external_id,
    "ovs_add_patch_port": _ovs_add_patch_port,
    "ip_link_add_veth_pair": _ip_link_add_veth_pair,
    "ip_link_del_dev": _ip_link_del_dev,
    "ip_link_get_dev": _ip_link_get_dev,
    "ip_link_set_dev": _ip_link_set_dev,
    "ip_link_set_promisc": _ip_link_set_promisc,
    "brctl_add_br": _brctl_add_br,
    "brctl_del_br": _brctl_del_br,
    "brctl_set_fd": _brctl_sets("fd", "fd"),
    "brctl_set_stp": _brctl_sets("stp", "option"),
    "brctl_add_if": _brctl_add_if,
    "brctl_del_if": _brctl_del_if,
}
"""The seventeen commands that may be run."""
