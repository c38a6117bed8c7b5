"""From ports and groups to what may pass each port. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from compute_core.model.networks import Passage, Port, PortFilter, Rule, SecurityGroup


def remote_groups(groups: Iterable[SecurityGroup]) -> frozenset[str]:
    """The groups whose members these let pass."""
    return frozenset(rule.remote_group for group in groups for rule in group.rules if rule.remote_group is not None)


def port_filter(
    port: Port, bridge: str, groups: Mapping[str, SecurityGroup], members: Mapping[str, Sequence[Port]]
) -> PortFilter:  # fmt: skip
    """What may pass a port, by its groups and the members of those that they name."""
    rules = [rule for group in port.security_groups if group in groups for rule in groups[group].rules]
    passages = dict.fromkeys(passage for rule in rules for passage in _passages(rule, members))
    if not port.is_up:
        return PortFilter(port.id, port.device_id, port.mac, bridge, ())
    return PortFilter(port.id, port.device_id, port.mac, bridge, (port.ip,), port.is_secured, tuple(passages) if port.is_secured else ())


def _passages(rule: Rule, members: Mapping[str, Sequence[Port]]) -> Iterator[Passage]:
    """None for a rule whose group has no member of its kind: that lets nobody pass."""
    remotes = _remotes(rule, members)
    if remotes is not None:
        yield Passage(rule.direction, rule.ethertype, rule.protocol, rule.port_min, rule.port_max, remotes)


def _remotes(rule: Rule, members: Mapping[str, Sequence[Port]]) -> tuple[str, ...] | None:
    if rule.remote_group is None:
        return () if rule.remote_prefix is None else (rule.remote_prefix,)
    version = 6 if rule.ethertype == "IPv6" else 4
    found = [port.ip for port in members.get(rule.remote_group, ()) if ip_address(port.ip).version == version]
    return tuple(found) or None
