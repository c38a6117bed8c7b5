"""Ports of networks, and the groups of rules that say what may pass them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["ingress", "egress"]
EtherType = Literal["IPv4", "IPv6"]
Filtering = Literal["flows", "locking", "none"]
"""How a host keeps servers to their addresses and groups: by flows of its switch, by what XenServer itself locks (addresses), or not."""

DEFAULT_GROUP = "default"
"""The name of the group that every project has, and that ports are in which name none."""


@dataclass(frozen=True, slots=True)
class Port:
    """A place on a network with an address. ``device_id`` is the server that has it, "" while none has; ``device`` its number there.

    ``is_users``: somebody made it for himself, so it outlives its server. ``is_secured``: kept to its address and its groups.
    """

    id: str
    network_id: str
    project_id: str
    mac: str
    ip: str
    created_at: str
    updated_at: str
    name: str = ""
    description: str = ""
    device_id: str = ""
    device: int = 0
    is_users: bool = False
    is_secured: bool = True
    is_up: bool = True
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What a group lets pass. None is any; ``port_min`` and ``port_max`` are type and code of ICMP."""

    id: str
    direction: Direction
    ethertype: EtherType = "IPv4"
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_group: str | None = None
    remote_prefix: str | None = None
    description: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """Rules of a project by a name."""

    id: str
    project_id: str
    name: str
    created_at: str
    updated_at: str
    description: str = ""
    rules: tuple[Rule, ...] = ()
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Wish:
    """One interface that a server is to have: this port, or a new one on a network (None: the default one), perhaps with this address.

    ``groups`` are the ids of a new port's groups; empty: the project's default one.
    """

    network: str | None = None
    port: str | None = None
    address: str | None = None
    tag: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A rule as a host applies it: ``remotes`` are prefixes, empty for anybody."""

    direction: Direction
    ethertype: EtherType
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remotes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortFilter:
    """What may pass one port. ``is_secured`` False: everything. Without addresses nothing may, either way."""

    port_id: str
    device_id: str
    mac: str
    bridge: str
    addresses: tuple[str, ...]
    is_secured: bool = True
    passages: tuple[Passage, ...] = ()
