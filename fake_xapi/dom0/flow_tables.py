"""OpenFlow tables of a bridge as ``ovs-ofctl`` keeps them: flows in and out as text. Pure: lists of flows in, lists of flows out.

A flow with the table, priority and match of another takes its place. What a real one would refuse is PluginError with its text. What flows
do to packets is not simulated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

from fake_xapi.dom0.plugins.place import PluginError

DEFAULT_PRIORITY = 32768
KEYWORDS = ("ip", "ipv6", "arp", "icmp", "icmp6", "tcp", "udp", "sctp", "tcp6", "udp6", "sctp6")
"""Names of protocols, which stand alone in a match."""
FIELDS = frozenset(
    {
        *("in_port", "dl_src", "dl_dst", "dl_type", "dl_vlan", "dl_vlan_pcp", "nw_src", "nw_dst", "nw_proto", "nw_tos", "nw_ttl"),
        *(
            "tp_src",
            "tp_dst",
            "tcp_flags",
            "icmp_type",
            "icmp_code",
            "icmpv6_type",
            "icmpv6_code",
            "arp_spa",
            "arp_tpa",
            "arp_sha",
            "arp_tha",
        ),
        *(
            "ipv6_src",
            "ipv6_dst",
            "nd_target",
            "nd_sll",
            "nd_tll",
            "ct_state",
            "ct_zone",
            "ct_mark",
            "reg0",
            "reg1",
            "metadata",
            "vlan_tci",
        ),
    }
)
_SETTINGS = frozenset({"table", "priority", "cookie", "idle_timeout", "hard_timeout"})
_ACTION = re.compile(
    r"drop|NORMAL|normal|FLOOD|ALL|LOCAL|CONTROLLER(:\d+)?|output:\d+|resubmit\((\d*),(\d*)\)|ct(\([^()]*\))?|strip_vlan|mod_vlan_vid:\d+"
)
_COOKIE = re.compile(r"(0x[0-9a-fA-F]{1,16}|\d+)(?:/(-1|0x[0-9a-fA-F]{1,16}))?")
_ALL_BITS = (1 << 64) - 1


class Flow(TypedDict):
    """One flow: ``match`` has its fields in order of their names, ``cookie`` is a number."""

    table: int
    priority: int
    match: str
    actions: str
    cookie: int


NORMAL = Flow(table=0, priority=0, match="", actions="NORMAL", cookie=0)
"""What every bridge begins with."""


def parsed(text: str) -> Flow:
    """A flow as it is added."""
    head, is_there, actions = _split_actions(text)
    if not is_there:
        raise _refused("must specify an action")
    settings, match = _fields(head)
    cookie, mask = _cookie(settings.get("cookie", "0"))
    if mask != _ALL_BITS:
        raise _refused("cookie mask cannot be specified in added flows")
    priority = _number("priority", settings.get("priority", str(DEFAULT_PRIORITY)), 65535)
    return Flow(table=_table(settings), priority=priority, match=match, actions=",".join(_actions(actions)), cookie=cookie)


def added(flows: Sequence[Flow], new: Iterable[Flow]) -> list[Flow]:
    """The tables with these, too."""
    by_place = {(flow["table"], flow["priority"], flow["match"]): flow for flow in flows}
    by_place.update({(flow["table"], flow["priority"], flow["match"]): flow for flow in new})
    return list(by_place.values())


def selected(flows: Sequence[Flow], text: str, *, is_strict: bool = False) -> list[Flow]:
    """The flows that a match means: at least its fields, or with ``is_strict`` exactly these, and its priority."""
    settings, match = _fields(text)
    wanted = set(filter(None, match.split(",")))
    table = _table(settings) if "table" in settings else None
    cookie, mask = _cookie(settings["cookie"]) if "cookie" in settings else (0, 0)
    priority = _number("priority", settings.get("priority", str(DEFAULT_PRIORITY)), 65535)
    if not is_strict and "priority" in settings:
        raise _refused("unknown keyword priority")
    return [
        flow
        for flow in flows
        if (table is None or flow["table"] == table)
        and flow["cookie"] & mask == cookie & mask
        and (flow["match"] == match and flow["priority"] == priority if is_strict else wanted <= set(flow["match"].split(",")))
    ]


def removed(flows: Sequence[Flow], text: str, *, is_strict: bool = False) -> list[Flow]:
    """The tables without the flows that a match means."""
    gone = selected(flows, text, is_strict=is_strict)
    return [flow for flow in flows if flow not in gone]


def shown(flows: Iterable[Flow]) -> str:
    """As ``dump-flows`` prints them."""
    ordered = sorted(flows, key=lambda flow: (flow["table"], -flow["priority"], flow["match"]))
    return "NXST_FLOW reply (xid=0x4):\n" + "".join(f"{_line(flow)}\n" for flow in ordered)


def _line(flow: Flow) -> str:
    counts = "duration=0.000s, table={}, n_packets=0, n_bytes=0, idle_age=0".format(flow["table"])
    match = f",{flow['match']}" if flow["match"] else ""
    return f" cookie={flow['cookie']:#x}, {counts}, priority={flow['priority']}{match} actions={flow['actions']}"


# ---- words -----------------------------------------------------------------------------------------------------------------------


def _split_actions(text: str) -> tuple[str, bool, str]:
    found = re.search(r"(?:^|[,\s])actions?=", text)
    return (text[: found.start()], True, text[found.end() :].strip()) if found else (text, False, "")


def _fields(text: str) -> tuple[Mapping[str, str], str]:
    """The settings, and the match in one form."""
    settings: dict[str, str] = {}
    match: dict[str, str] = {}
    for word in filter(None, re.split(r"[,\s]+", text.strip())):
        name, is_set, value = word.partition("=")
        if not is_set and name in KEYWORDS:
            match[name] = ""
        elif is_set and value and name in _SETTINGS:
            settings[name] = value
        elif is_set and value and name in FIELDS:
            match[name] = value
        else:
            raise _refused(f"unknown keyword {name}" if name not in FIELDS | _SETTINGS else f"field {name} missing value")
    return settings, ",".join(f"{name}={value}" if value else name for name, value in sorted(match.items()))


def _actions(text: str) -> Iterator[str]:
    for action in re.split(r",(?![^()]*\))", text):
        if not _ACTION.fullmatch(action.strip()):
            raise _refused(f"unknown action {action.strip()}")
        yield action.strip()


def _table(settings: Mapping[str, str]) -> int:
    return _number("table", settings.get("table", "0"), 254)


def _number(name: str, text: str, most: int) -> int:
    if not text.isdecimal() or int(text) > most:
        raise _refused(f'invalid {name} "{text}"')
    return int(text)


def _cookie(text: str) -> tuple[int, int]:
    found = _COOKIE.fullmatch(text)
    if found is None:
        raise _refused(f"invalid cookie {text}")
    mask = _ALL_BITS if found[2] in (None, "-1") else int(found[2], 16)
    return int(found[1], 0), mask


def _refused(text: str) -> PluginError:
    return PluginError(f"ovs-ofctl: {text}")


def of_state(bridge: Mapping[str, Any]) -> list[Flow]:
    """What a bridge has, as its switch keeps it."""
    return list(bridge.get("flows", [NORMAL]))
