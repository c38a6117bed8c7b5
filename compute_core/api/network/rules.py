"""Rules of security groups, from Neutron's words to ours: refused where they cannot be meant."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from compute_core.model.errors import Invalid
from compute_core.model.networks import EtherType, Rule

PROTOCOLS: Mapping[str, int] = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "sctp": 132,
}  # fmt: skip
_ICMPV6 = "58"
_ICMP = frozenset({"1", _ICMPV6})
_PORTED = frozenset({"6", "17", "132"})
_FAMILIES: Mapping[str, EtherType] = {"ipv4": "IPv4", "ipv6": "IPv6"}
_MOST_PROTOCOL = _MOST_ICMP = 255
_MOST_PORT = 65535


def members(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a ``Rule`` that a body asks for. Invalid."""
    prefix = asked.get("remote_ip_prefix")
    if prefix is not None and asked.get("remote_group_id") is not None:
        raise Invalid("Only remote_ip_prefix or remote_group_id may be provided.")
    ethertype = _FAMILIES[str(asked.get("ethertype") or "IPv4").lower()]
    protocol, ports = _protocol(asked.get("protocol")), (_port(asked.get("port_range_min")), _port(asked.get("port_range_max")))
    if ethertype == "IPv4" and protocol is not None and _number_of(protocol) == _ICMPV6:
        raise Invalid(f"Invalid ethertype {ethertype} for protocol {protocol}.")
    _check_ports(protocol, *ports)
    return {
        "direction": asked["direction"],
        "ethertype": ethertype,
        "protocol": protocol,
        "port_min": ports[0],
        "port_max": ports[1],
        "remote_group": asked.get("remote_group_id"),
        "remote_prefix": None if prefix is None else _prefix(prefix, ethertype),
        "description": asked.get("description") or "",
    }


def view(rule: Rule, group_id: str, project_id: str) -> dict[str, Any]:
    """A rule."""
    return {
        "id": rule.id,
        "security_group_id": group_id,
        "project_id": project_id,
        "tenant_id": project_id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        "remote_group_id": rule.remote_group,
        "remote_ip_prefix": rule.remote_prefix,
        "remote_address_group_id": None,
        "normalized_cidr": rule.remote_prefix,
        "description": rule.description,
        "created_at": rule.created_at,
        "updated_at": rule.created_at,
        "revision_number": 0,
        "tags": [],
    }


def _protocol(said: object) -> str | None:
    text = "" if said is None else str(said).lower()
    if text.isascii() and text.isdigit():
        text = str(int(text))
    if text in {"any", "-1", "0", ""}:
        return None
    if text not in PROTOCOLS and not (text.isascii() and text.isdigit() and int(text) <= _MOST_PROTOCOL):
        raise Invalid(
            f"Security group rule protocol {said} not supported. Only protocol values {sorted(PROTOCOLS)} and integers to 255 are."
        )
    return text


def _number_of(protocol: str) -> str:
    return str(PROTOCOLS.get(protocol, protocol))


def _port(said: int | str | None) -> int | None:
    port = None if said is None else int(said)
    if port is not None and port > _MOST_PORT:
        raise Invalid(f"Invalid value for port {port}")
    return port


def _check_ports(protocol: str | None, least: int | None, most: int | None) -> None:
    if protocol is None:
        if (least, most) != (None, None):
            raise Invalid("Must also specify protocol if port range is given.")
        return
    number = _number_of(protocol)
    if number in _ICMP:
        _check_icmp(least, most)
    elif number in _PORTED:
        if (least is None) != (most is None) or (least is not None and most is not None and least > most):
            raise Invalid("For TCP/UDP protocols, port_range_min must be <= port_range_max")
    elif (least, most) != (None, None):
        raise Invalid(f"Invalid port range for protocol {protocol}: it has no ports.")


def _check_icmp(kind: int | None, code: int | None) -> None:
    if kind is None and code is not None:
        raise Invalid(f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing.")
    for name, value in (("type", kind), ("code", code)):
        if value is not None and value > _MOST_ICMP:
            raise Invalid(f"Invalid value for ICMP {name} ({value}): it must be 0 to 255.")


def _prefix(text: str, ethertype: EtherType) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError as problem:
        raise _no_subnet(text) from problem
    if "%" in text:  # a scope means something on one host only
        raise _no_subnet(text)
    if (network.version == 6) != (ethertype == "IPv6"):
        raise Invalid(f"Conflicting value ethertype {ethertype} for CIDR {text}")
    return str(network)


def _no_subnet(text: str) -> Invalid:
    return Invalid(f"Invalid input for remote_ip_prefix. Reason: '{text}' is not a valid IP subnet.")
