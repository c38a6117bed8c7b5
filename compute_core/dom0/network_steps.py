"""What can be done to dom0's network, by name: the commands of each step, those that take it back, and how to see that it is done."""

import re
from typing import Callable, Dict, Mapping, NamedTuple, Optional, Pattern, Sequence, Tuple

Command = Tuple[str, ...]
Fields = Dict[str, str]
Look = Callable[..., Optional[str]]
"""``look(*command)``: what a command prints, None when it fails."""

_OVS = ("ovs-vsctl", "--timeout=20")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
"""A device: the kernel allows 15 characters."""
PATTERNS: Mapping[str, Pattern[str]] = {
    "delay": re.compile(r"\d{1,3}"),
    "stp": re.compile(r"on|off"),
    "promiscuous": re.compile(r"on|off"),
    "state": re.compile(r"up|down"),
    "mtu": re.compile(r"\d{2,5}"),
    "tag": re.compile(r"[1-9]\d{0,3}"),
    "kbps": re.compile(r"\d{1,8}"),
    "external_ids": re.compile(r"(?:[a-z][a-z0-9-]{0,30}=[A-Za-z0-9:._-]{1,64})(?:,[a-z][a-z0-9-]{0,30}=[A-Za-z0-9:._-]{1,64})*"),
}
"""What an argument may be; those that are not here are names of devices."""
OPTIONAL = frozenset({"external_ids", "tag"})


class Step(NamedTuple):
    """One kind of step. ``is_done`` says whether there is nothing to do; a step that cannot know is done anew each time."""

    needs: Tuple[str, ...]
    does: Callable[[Fields], Sequence[Command]]
    undoes: Callable[[Fields], Sequence[Command]]
    is_done: Callable[[Look, Fields], bool]


def _nothing(_: Fields) -> Sequence[Command]:
    return ()


def _unknown(_: Look, __: Fields) -> bool:
    return False


def _is_link(look: Look, name: str) -> bool:
    return look("ip", "link", "show", "dev", name) is not None


def _is_in(look: Look, fields: Fields) -> bool:
    """Whether a link belongs to a bridge: of one that does not, nothing is printed."""
    return bool(look("ip", "-o", "link", "show", "dev", fields["interface"], "master", fields["bridge"]))


def _set(name: str, *words: str) -> Command:
    return ("ip", "link", "set", "dev", name, *words)


def _remove_bridge(fields: Fields) -> Sequence[Command]:
    return [_set(fields["bridge"], "down"), ("brctl", "delbr", fields["bridge"])]


def _add_port(fields: Fields) -> Sequence[Command]:
    tag = [f"tag={fields['tag']}"] if "tag" in fields else []
    add = (*_OVS, "--may-exist", "add-port", fields["bridge"], fields["port"], *tag)
    ids = [_external_id(pair) for pair in fields.get("external_ids", "").split(",") if pair]
    return [(*add, "--", "set", "Interface", fields["port"], *ids) if ids else add]


def _external_id(pair: str) -> str:
    """In quotes, since the colons of a MAC mean something to ovs-vsctl."""
    key, _, value = pair.partition("=")
    return f'external-ids:{key}="{value}"'


def _remove_port(fields: Fields) -> Sequence[Command]:
    return [(*_OVS, "--if-exists", "del-port", fields["bridge"], fields["port"])]


def _limit(port: str, kbps: int) -> Sequence[Command]:
    """Of what a guest sends; ten percent may come in one burst, as Open vSwitch's authors advise."""
    return [(*_OVS, "set", "Interface", port, f"ingress_policing_rate={kbps}", f"ingress_policing_burst={kbps // 10}")]


STEPS: Mapping[str, Step] = {
    "bridge-add": Step(
        ("bridge",),
        lambda f: [("brctl", "addbr", f["bridge"])],
        _remove_bridge,
        lambda look, f: _is_link(look, f["bridge"]),
    ),
    "bridge-delete": Step(
        ("bridge",),
        _remove_bridge,
        lambda f: [_set(f["bridge"], "up")],
        lambda look, f: not _is_link(look, f["bridge"]),
    ),
    "bridge-delay": Step(("bridge", "delay"), lambda f: [("brctl", "setfd", f["bridge"], f["delay"])], _nothing, _unknown),
    "bridge-stp": Step(("bridge", "stp"), lambda f: [("brctl", "stp", f["bridge"], f["stp"])], _nothing, _unknown),
    "bridge-add-interface": Step(
        ("bridge", "interface"),
        lambda f: [("brctl", "addif", f["bridge"], f["interface"])],
        lambda f: [("brctl", "delif", f["bridge"], f["interface"])],
        _is_in,
    ),
    "bridge-delete-interface": Step(
        ("bridge", "interface"),
        lambda f: [("brctl", "delif", f["bridge"], f["interface"])],
        lambda f: [("brctl", "addif", f["bridge"], f["interface"])],
        lambda look, f: not _is_in(look, f),
    ),
    "veth-add": Step(
        ("device", "peer"),
        lambda f: [("ip", "link", "add", f["device"], "type", "veth", "peer", "name", f["peer"])],
        lambda f: [("ip", "link", "delete", "dev", f["device"])],
        lambda look, f: _is_link(look, f["device"]) and _is_link(look, f["peer"]),
    ),
    "link-delete": Step(
        ("device",),
        lambda f: [("ip", "link", "delete", "dev", f["device"])],
        _nothing,
        lambda look, f: not _is_link(look, f["device"]),
    ),
    "link-set": Step(("device", "state"), lambda f: [_set(f["device"], f["state"])], _nothing, _unknown),
    "link-promiscuous": Step(("device", "promiscuous"), lambda f: [_set(f["device"], "promisc", f["promiscuous"])], _nothing, _unknown),
    "link-mtu": Step(("device", "mtu"), lambda f: [_set(f["device"], "mtu", f["mtu"])], _nothing, _unknown),
    "ovs-add-bridge": Step(
        ("bridge",),
        lambda f: [(*_OVS, "--may-exist", "add-br", f["bridge"])],
        lambda f: [(*_OVS, "--if-exists", "del-br", f["bridge"])],
        lambda look, f: look(*_OVS, "br-exists", f["bridge"]) is not None,
    ),
    "ovs-delete-bridge": Step(
        ("bridge",),
        lambda f: [(*_OVS, "--if-exists", "del-br", f["bridge"])],
        _nothing,
        lambda look, f: look(*_OVS, "br-exists", f["bridge"]) is None,
    ),
    "ovs-add-port": Step(("bridge", "port", "external_ids", "tag"), _add_port, _remove_port, _unknown),
    "ovs-delete-port": Step(("bridge", "port"), _remove_port, _nothing, _unknown),
    "ovs-limit": Step(("port", "kbps"), lambda f: _limit(f["port"], int(f["kbps"])), lambda f: _limit(f["port"], 0), _unknown),
}
"""All that can be done."""
