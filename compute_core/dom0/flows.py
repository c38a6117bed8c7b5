"""What may pass a port, as flows of Open vSwitch: pure, from a port's filter to lines that ``ovs-ofctl add-flows`` takes.

What a guest sends goes through EGRESS (is it its own address?) and EGRESS_RULES to LOCAL, whence it goes on to other filtered ports of the
same bridge, or out; what is sent to its MAC goes through INGRESS and INGRESS_RULES. Connections are tracked, in a zone of the port's own,
so that answers pass. Broadcasts of others reach every port, as the switch floods them. Needs Open vSwitch 2.5.

Each flow bears a cookie: TAG, which of our writings it is of, and the port's MAC.
"""

import ipaddress
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from compute_core.dom0 import arguments
from compute_core.dom0.refusal import Refusal

EGRESS, EGRESS_RULES, LOCAL, INGRESS, INGRESS_RULES = 61, 62, 63, 71, 72
TAG = 0x69
"""The first byte of every cookie of ours."""
GENERATIONS = 256
MOST_PASSAGES = 2000

MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_PREFIX = {"IPv4": re.compile(r"[0-9.]{7,15}(?:/\d{1,2})?"), "IPv6": re.compile(r"[0-9a-f:.]{2,45}(?:/\d{1,3})?")}
_KEYWORD = {"IPv4": "ip", "IPv6": "ipv6"}
_SOURCE = {"IPv4": "nw_src", "IPv6": "ipv6_src"}
_DESTINATION = {"IPv4": "nw_dst", "IPv6": "ipv6_dst"}
_ICMP = {"IPv4": "1", "IPv6": "58"}
_DIGITS = re.compile(r"[0-9]{1,3}")
_PORTED = {"tcp": "6", "udp": "17", "sctp": "132"}
_NUMBERS = {"icmp": "1", "icmpv6": "58", "ipv6-icmp": "58", "igmp": "2", "gre": "47", "esp": "50", "ah": "51", **_PORTED}
_NEIGHBOURS = (133, 134, 135, 136)
"""The ICMPv6 types of neighbour discovery."""


class PortFilter(NamedTuple):
    """A port's MAC and bridge, its addresses by family, and what may pass it: maps as they come."""

    mac: str
    bridge: str
    addresses: List[Tuple[str, str]]
    is_secured: bool
    passages: List[Dict[str, Any]]


def checked(given: Dict[str, Any]) -> PortFilter:
    """A filter as it came over the wire. Refusal BAD_ARGUMENTS."""
    mac, bridge = _place(given)
    addresses, passages = given.get("addresses"), given.get("passages")
    if not isinstance(addresses, list) or not isinstance(passages, list) or len(passages) > MOST_PASSAGES:
        raise arguments.bad("ports", f"has no lists of addresses and passages at {mac}")
    families = [(_family(address), str(address)) for address in addresses]
    for passage in passages:
        _check(passage)
    return PortFilter(mac, bridge, families, arguments.is_set(given, "is_secured"), passages)


def shut(given: Dict[str, Any]) -> PortFilter:
    """The filter that lets nothing pass the same port. Refusal BAD_ARGUMENTS: it does not say which port."""
    mac, bridge = _place(given)
    return PortFilter(mac, bridge, [], True, [])


def cookie(mac: str, generation: int) -> str:
    """The cookie of a port's flows of one writing."""
    return f"0x{TAG:02x}{generation:02x}{mac.replace(':', '')}"


def flows(port: PortFilter, ofports: List[int], generation: int) -> List[str]:
    """The lines of one port, which the switch may know by several numbers: an emulated card has another than a paravirtual one."""
    mine = cookie(port.mac, generation)
    if not port.is_secured:
        return []
    if not port.addresses:
        shut = [f"priority=200,in_port={ofport} actions=drop" for ofport in ofports]
        return [f"cookie={mine},table=0,{line}" for line in (*shut, f"priority=190,dl_dst={port.mac} actions=drop")]
    zone = ofports[0]
    lines = [line for ofport in ofports for line in _leaving(port, ofport, zone)]
    lines += [f"table={LOCAL},priority=100,dl_dst={port.mac} actions=resubmit(,{INGRESS})"]
    lines += _arriving(port, zone)
    return [f"cookie={mine},{line}" for line in lines]


def common() -> List[str]:
    """The line that all ports of a bridge need; its MAC is nobody's."""
    return [f"cookie={cookie('00:00:00:00:00:00', 0)},table={LOCAL},priority=0 actions=NORMAL"]


# ---- what a guest sends ----------------------------------------------------------------------------------------------------------


def _leaving(port: PortFilter, ofport: int, zone: int) -> Iterator[str]:
    here = f"in_port={ofport}"
    yield f"table=0,priority=200,{here} actions=resubmit(,{EGRESS})"
    yield f"table={EGRESS},priority=120,{here},udp,tp_src=67,tp_dst=68 actions=drop"
    yield f"table={EGRESS},priority=110,{here},udp,dl_src={port.mac},tp_src=68,tp_dst=67 actions=resubmit(,{LOCAL})"
    yield f"table={EGRESS},priority=120,{here},icmp6,icmp_type=134 actions=drop"
    for family, address in port.addresses:
        yield from _as_himself(family, address, f"{here},dl_src={port.mac}", zone)
    yield f"table={EGRESS},priority=10,{here} actions=drop"
    yield from _tracked(EGRESS_RULES, here, f"resubmit(,{LOCAL})")
    for match in _matches(port.passages, "egress", _DESTINATION):
        new = f"ct_state=+trk+new,{match}"
        yield f"table={EGRESS_RULES},priority=50,{here},{new} actions=ct(commit,zone={zone}),resubmit(,{LOCAL})"


def _as_himself(family: str, address: str, here: str, zone: int) -> Iterator[str]:
    """Under its own address, and no other."""
    if family == "IPv4":
        yield f"table={EGRESS},priority=100,{here},arp,arp_spa={address} actions=resubmit(,{LOCAL})"
    else:
        yield f"table={EGRESS},priority=100,{here},icmp6,icmp_type=135 actions=resubmit(,{LOCAL})"
        yield f"table={EGRESS},priority=100,{here},icmp6,icmp_type=136,nd_target={address} actions=resubmit(,{LOCAL})"
    match = f"{_KEYWORD[family]},{_SOURCE[family]}={address}"
    yield f"table={EGRESS},priority=90,{here},{match} actions=ct(table={EGRESS_RULES},zone={zone})"


# ---- what is sent to it ----------------------------------------------------------------------------------------------------------


def _arriving(port: PortFilter, zone: int) -> Iterator[str]:
    there = f"dl_dst={port.mac}"
    yield f"table=0,priority=190,{there} actions=resubmit(,{INGRESS})"
    yield f"table={INGRESS},priority=100,{there},arp actions=NORMAL"
    for kind in _NEIGHBOURS:
        yield f"table={INGRESS},priority=100,{there},icmp6,icmp_type={kind} actions=NORMAL"
    yield f"table={INGRESS},priority=100,{there},udp,tp_src=67,tp_dst=68 actions=NORMAL"
    for keyword in _KEYWORD.values():
        yield f"table={INGRESS},priority=90,{there},{keyword} actions=ct(table={INGRESS_RULES},zone={zone})"
    yield f"table={INGRESS},priority=10,{there} actions=drop"
    yield from _tracked(INGRESS_RULES, there, "NORMAL")
    for match in _matches(port.passages, "ingress", _SOURCE):
        new = f"ct_state=+trk+new,{match}"
        yield f"table={INGRESS_RULES},priority=50,{there},{new} actions=ct(commit,zone={zone}),NORMAL"


# ---- rules -----------------------------------------------------------------------------------------------------------------------


def _tracked(table: int, which: str, action: str) -> Iterator[str]:
    """What belongs to a connection that was let pass; the rest is dropped but for what rules add."""
    yield f"table={table},priority=110,{which},ct_state=+trk+inv actions=drop"
    for keyword in _KEYWORD.values():
        yield f"table={table},priority=100,{which},ct_state=+trk+est,{keyword} actions={action}"
        yield f"table={table},priority=100,{which},ct_state=+trk-new+rel,{keyword} actions={action}"
    yield f"table={table},priority=10,{which} actions=drop"


def _matches(passages: List[Dict[str, Any]], direction: str, fields: Dict[str, str]) -> Iterator[str]:
    for passage in passages:
        if passage["direction"] == direction:
            family = passage["ethertype"]
            remotes = [f"{fields[family]}={remote}" for remote in passage["remotes"]] or [""]
            for ports in _protocol(passage):
                yield from (",".join(filter(None, (_KEYWORD[family], *ports, remote))) for remote in remotes)


def _protocol(passage: Dict[str, Any]) -> Iterator[Tuple[str, ...]]:
    """The fields of a passage's protocol; a range of ports becomes several of them."""
    protocol, least, most = passage["protocol"], passage["port_min"], passage["port_max"]
    if protocol is None:
        yield ()
        return
    icmp = _ICMP[passage["ethertype"]]
    number = icmp if _number(protocol) == _ICMP["IPv4"] else _number(protocol)
    base = (f"nw_proto={number}",)
    if number == icmp:
        kinds = (f"icmp_type={least}" if least is not None else "", f"icmp_code={most}" if most is not None else "")
        yield (*base, *filter(None, kinds))
    elif number in _PORTED.values() and least is not None and most is not None:
        yield from ((*base, f"tp_dst={masked}") for masked in masked_range(least, most))
    else:
        yield base


def _number(protocol: str) -> str:
    return str(int(_NUMBERS.get(protocol, protocol)))


def masked_range(least: int, most: int) -> Iterator[str]:
    """A range of ports as numbers and masks: as few as there can be."""
    while least <= most:
        size = least & -least or 1 << 16
        while least + size - 1 > most:
            size >>= 1
        yield str(least) if size == 1 else f"0x{least:04x}/0x{0x10000 - size & 0xFFFF:04x}"
        least += size


# ---- what came over the wire -----------------------------------------------------------------------------------------------------


def _place(given: Dict[str, Any]) -> Tuple[str, str]:
    """The MAC and the bridge."""
    mac, bridge = arguments.text(given, "mac"), arguments.text(given, "bridge")
    if not MAC.fullmatch(mac):
        raise arguments.bad("mac", f"is no MAC: {mac!r}")
    return mac, bridge


def _family(address: object) -> str:
    for family, pattern in _PREFIX.items():
        if isinstance(address, str) and pattern.fullmatch(address) and "/" not in address and (":" in address) == (family == "IPv6"):
            return family
    raise arguments.bad("addresses", f"has {address!r}")


def _check(passage: object) -> None:
    if not isinstance(passage, dict) or passage.get("direction") not in ("ingress", "egress") or passage.get("ethertype") not in _PREFIX:
        raise arguments.bad("passages", f"has {passage!r}")
    protocol, remotes = passage.get("protocol"), passage.get("remotes")
    if not _is_protocol(protocol) or not isinstance(remotes, list):
        raise _bad_passage(passage)
    most = 255 if protocol is not None and _number(protocol) in _ICMP.values() else 65535
    for number in (passage.get("port_min"), passage.get("port_max")):
        if number is not None and (not isinstance(number, int) or not 0 <= number <= most):
            raise _bad_passage(passage)
    if not all(_is_prefix(remote, passage["ethertype"]) for remote in remotes):
        raise _bad_passage(passage)


def _is_protocol(said: object) -> bool:
    if not isinstance(said, str):
        return said is None
    return said in _NUMBERS or (_DIGITS.fullmatch(said) is not None and int(said) < 256)


def _is_prefix(said: object, family: str) -> bool:
    if not isinstance(said, str) or not _PREFIX[family].fullmatch(said):
        return False
    try:
        ipaddress.ip_network(said, strict=False)
    except ValueError:
        return False
    return True


def _bad_passage(passage: Dict[str, Any]) -> Refusal:
    return arguments.bad("passages", f"has {passage!r}")


def generation_of(text: str) -> Optional[Tuple[str, int]]:
    """The MAC and the writing of a cookie of ours, None for any other."""
    number = int(text, 16)
    if number >> 56 != TAG:
        return None
    digits = f"{number & 0xFFFFFFFFFFFF:012x}"
    return ":".join(digits[place : place + 2] for place in range(0, 12, 2)), number >> 48 & 0xFF
