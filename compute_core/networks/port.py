"""What the rest of the core asks of a network service, whoever provides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID, uuid5

from compute_core.model.instances import Vif
from compute_core.model.networks import Port, PortFilter, Rule, SecurityGroup, Wish

_SUBNETS = UUID("3f9f37b4-0d8e-5d5e-8f5d-5b0ed7a0a3c4")


@dataclass(frozen=True, slots=True)
class Network:
    """One network: how users name it, which bridge of the hosts carries it, which addresses it has. ``ordinal``: its place in the order."""

    id: str
    label: str
    bridge: str
    cidr: str
    gateway: str
    ordinal: int = 0

    @property
    def subnet_id(self) -> str:
        """The id of its only subnet."""
        return subnet_of(self.id)


def subnet_of(network_id: str) -> str:
    """The id of a network's only subnet."""
    return str(uuid5(_SUBNETS, network_id))


class PortFilters(Protocol):
    """What the agents of hosts need."""

    async def filters(self, device_ids: Sequence[str]) -> tuple[PortFilter, ...]:
        """What may pass the ports of servers."""

    async def unbind(self, port_id: str) -> None:
        """The server has it no more: one that the core had made is gone, a user's is free again. No such port is fine."""


class Networks(PortFilters, Protocol):
    """What the cells need."""

    async def allocate(self, device_id: str, project_id: str, wish: Wish) -> Vif:
        """An interface for a server, new or of a port that is there.

        NotFound (network, port, group), Conflict: it is in use, no address is left. Invalid: no such address.
        """

    async def release(self, device_id: str) -> None:
        """The server is gone: every port of it, as ``unbind``; nothing to take back is fine."""

    async def list(self) -> tuple[Network, ...]:
        """Every network that a server may be plugged into."""

    async def changed(self) -> frozenset[str]:
        """Wait until something else may pass some servers' ports than before; these servers."""


class Groups(Protocol):
    """Security groups. Every method raises NotFound for what is not there."""

    async def default(self, project_id: str) -> SecurityGroup:
        """The group that every project has."""

    async def list(self, project_id: str | None) -> tuple[SecurityGroup, ...]:
        """A project's groups, or everybody's; its default one is among them."""

    async def get(self, group_id: str) -> SecurityGroup:
        """One group."""

    async def create(self, project_id: str, name: str, description: str) -> SecurityGroup:
        """A new group, which lets everything out and nothing in."""

    async def change(self, group_id: str, **changes: str) -> SecurityGroup:
        """Change name or description."""

    async def delete(self, group_id: str) -> None:
        """Delete it. Conflict: it is in use."""

    async def add_rule(self, group_id: str, **fields: Any) -> Rule:
        """Let something pass; ``fields`` are those of ``Rule``. Conflict: it is let pass already. OverQuota."""

    async def remove_rule(self, rule_id: str, project_id: str | None) -> None:
        """Let it pass no more; ``project_id`` None: whosever rule it is."""


class NetworkService(Networks, Protocol):
    """What a network service does for its users, too. Every method raises NotFound for what is not there."""

    @property
    def groups(self) -> Groups:
        """The groups of its ports."""

    async def groups_of(self, device_ids: Sequence[str]) -> Mapping[str, tuple[SecurityGroup, ...]]:
        """The groups that the ports of servers are in, by server."""

    async def ports(self, project_id: str | None = None) -> tuple[Port, ...]:
        """A project's ports, or everybody's."""

    async def port(self, port_id: str) -> Port:
        """One port."""

    async def create_port(self, project_id: str, wish: Wish, **fields: Any) -> Port:
        """A port that is its project's own; ``fields`` are those of ``Port``. Conflict: the address is in use."""

    async def update_port(self, port_id: str, **changes: Any) -> Port:
        """Change name, description, is_up, is_secured or security_groups."""

    async def delete_port(self, port_id: str) -> None:
        """Delete it. Conflict: a server has it."""
