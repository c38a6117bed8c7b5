"""The embedded network service: flat networks in the cell's own store, addresses and MACs handed out in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection

from compute_core.model.clock import Clock
from compute_core.model.errors import Invalid, NotFound
from compute_core.model.instances import Vif
from compute_core.model.networks import Port, PortFilter, SecurityGroup, Wish
from compute_core.networks.changes import Changes
from compute_core.networks.filters import port_filter, remote_groups
from compute_core.networks.groups import EmbeddedGroups
from compute_core.networks.port import Network
from compute_core.settings import DEFAULT_NETWORK
from compute_core.store import networks as networks_table
from compute_core.store import ports, security_groups
from compute_core.store.port import Store

XEN_OUI = 0x00163E << 24
"""MACs of the first network are of Xen's own range; the address's number makes the rest."""
OWN_RANGE = 0x02 << 40
"""MACs of the others are locally administered: two bytes say which network it is."""

RESERVED_ADDRESSES = 10
"""The network's first addresses stay free for gateways and the like."""


class EmbeddedNetworks:
    """``default`` is the network of a server that names none; ``new_id`` gives UUIDs."""

    def __init__(self, store: Store, default: str, clock: Clock, new_id: Callable[[], str], *, is_watched: bool) -> None:
        self._store = store
        self._default = default
        self._clock = clock
        self._new_id = new_id
        self._changes = Changes(is_watched=is_watched)
        self._known: dict[str, Network] = {}
        self.groups = EmbeddedGroups(store, clock, new_id, self._changes)

    @classmethod
    async def open(
        cls,
        store: Store,
        clock: Clock,
        new_id: Callable[[], str],
        networks: Sequence[tuple[str, str, str]] = (DEFAULT_NETWORK,),
        *,
        is_watched: bool = False,
    ) -> EmbeddedNetworks:
        """Networks given as (label, bridge, CIDR), the first one the default; those that the store knows stay as they are.

        ``is_watched``: somebody will ask for what has ``changed``.
        """
        for label, bridge, cidr in networks:
            gateway = str(ip_network(cidr)[1])
            network_id = str(uuid5(NAMESPACE_URL, f"inova:network:{label}"))
            row = {"id": network_id, "label": label, "bridge": bridge, "cidr": cidr, "gateway": gateway}
            await store.run(networks_table.add, row)
        return cls(store, networks[0][0], clock, new_id, is_watched=is_watched)

    async def list(self) -> tuple[Network, ...]:
        """See the port."""
        return tuple(Network(**row) for row in await self._store.run(networks_table.listed))

    async def _network(self, name: str) -> Network:
        """A network, which once made never changes."""
        if name not in self._known:
            self._known[name] = Network(**await self._store.run(networks_table.get, name))
        return self._known[name]

    # ---- servers' interfaces ------------------------------------------------------------------------------------------------

    async def allocate(self, device_id: str, project_id: str, wish: Wish) -> Vif:
        """See the port."""
        if wish.port is None:
            port = await self._make(project_id, wish, device_id=device_id)
        else:
            await self._owned(wish.port, project_id)
            port = await self._store.run(ports.bind, wish.port, device_id, self._clock.iso())
        await self.groups.members_changed(port.security_groups)
        return _vif(await self._network(port.network_id), port, wish.tag)

    async def unbind(self, port_id: str) -> None:
        """See the port."""
        port = await self._store.run(ports.unbind, port_id, self._clock.iso())
        if port is not None:
            await self.groups.members_changed(port.security_groups)

    async def release(self, device_id: str) -> None:
        """See the port."""
        gone = await self._store.run(ports.release, device_id, self._clock.iso())
        await self.groups.members_changed({group for port in gone for group in port.security_groups})

    async def filters(self, device_ids: Sequence[str]) -> tuple[PortFilter, ...]:
        """See the port."""
        for project in {port.project_id for port in await self._store.run(ports.of_devices, device_ids)}:
            await self.groups.default_id(project)  # ports of before there were groups are in it
        return await self._store.run(_filters, device_ids, {network.id: network.bridge for network in await self.list()})

    async def changed(self) -> frozenset[str]:
        """See the port."""
        return await self._changes.take()

    # ---- users' ports -------------------------------------------------------------------------------------------------------

    async def groups_of(self, device_ids: Sequence[str]) -> Mapping[str, tuple[SecurityGroup, ...]]:
        """See the port."""
        return await self._store.run(_groups_of, device_ids) if device_ids else {}

    async def ports(self, project_id: str | None = None) -> tuple[Port, ...]:
        """See the port."""
        return await self._store.run(ports.listed, project_id)

    async def port(self, port_id: str) -> Port:
        """See the port."""
        return await self._store.run(ports.get, port_id)

    async def create_port(self, project_id: str, wish: Wish, **fields: Any) -> Port:
        """See the port."""
        port = await self._make(project_id, wish, is_users=True, **fields)
        await self.groups.members_changed(port.security_groups)
        return port

    async def update_port(self, port_id: str, **changes: Any) -> Port:
        """See the port."""
        before = await self.port(port_id)
        if "security_groups" in changes:
            await self._check_groups(before.project_id, changes["security_groups"])
        port = await self._store.run(_changed, port_id, {**changes, "updated_at": self._clock.iso()})
        if _terms(before) != _terms(port):
            self._changes.note([port.device_id])
            await self.groups.members_changed({*before.security_groups, *port.security_groups})
        return port

    async def delete_port(self, port_id: str) -> None:
        """See the port."""
        port = await self._store.run(ports.remove, port_id)
        await self.groups.members_changed(port.security_groups)

    async def _owned(self, port_id: str, project_id: str) -> Port:
        port = await self.port(port_id)
        if port.project_id != project_id:
            raise NotFound.of("Port", port_id)
        return port

    async def _make(self, project_id: str, wish: Wish, *, device_id: str = "", **fields: Any) -> Port:
        network = await self._network(wish.network or self._default)
        await self._check_groups(project_id, wish.groups)
        groups = wish.groups or ((await self.groups.default_id(project_id),) if fields.get("is_secured", True) else ())
        cidr, now, port_id = IPv4Network(network.cidr), self._clock.iso(), self._new_id()

        def port_of(number: int, device: int) -> Port:
            ip = str(cidr[number + RESERVED_ADDRESSES])
            port = Port(port_id, network.id, project_id, _mac(network, number), ip, now, now, device_id=device_id, device=device)
            return replace(port, security_groups=groups, **fields)

        number = None if wish.address is None else _number(cidr, wish.address)
        return await self._store.run(ports.add, network.id, _count(cidr), device_id, port_of, number)

    async def _check_groups(self, project_id: str, group_ids: Collection[str]) -> None:
        """NotFound: one is not there, or another project's."""
        if group_ids:
            found = {group.id for group in await self._store.run(security_groups.among, group_ids) if group.project_id == project_id}
            for missing in sorted(set(group_ids) - found):
                raise NotFound(f"Security group {missing} does not exist")


def _terms(port: Port) -> tuple[object, ...]:
    """What decides about what may pass."""
    return port.security_groups, port.is_secured, port.is_up


def _changed(connection: Connection, port_id: str, changes: dict[str, Any]) -> Port:
    return ports.put(connection, replace(ports.get_to_change(connection, port_id), **changes))


def _groups_of(connection: Connection, device_ids: Sequence[str]) -> dict[str, tuple[SecurityGroup, ...]]:
    ids: dict[str, set[str]] = {}
    for port in ports.of_devices(connection, device_ids):
        ids.setdefault(port.device_id, set()).update(port.security_groups)
    groups = {group.id: group for group in security_groups.among(connection, set().union(*ids.values()))}
    return {device_id: tuple(groups[each] for each in sorted(mine) if each in groups) for device_id, mine in ids.items()}


def _filters(connection: Connection, device_ids: Sequence[str], bridges: dict[str, str]) -> tuple[PortFilter, ...]:
    found = ports.of_devices(connection, device_ids)
    groups = {each.id: each for each in security_groups.among(connection, {group for port in found for group in port.security_groups})}
    members = ports.members(connection, remote_groups(groups.values()))
    return tuple(port_filter(port, bridges[port.network_id], groups, members) for port in found)


def _count(cidr: IPv4Network) -> int:
    """How many addresses there are to hand out: the last one is for broadcasts."""
    return cidr.num_addresses - RESERVED_ADDRESSES - 1


def _number(cidr: IPv4Network, address: str) -> int:
    """Invalid for an address that is none of those to hand out."""
    try:
        number = int(IPv4Address(address)) - int(cidr.network_address) - RESERVED_ADDRESSES
    except ValueError as problem:
        raise Invalid(f"{address} is no IPv4 address.") from problem
    if not 0 <= number < _count(cidr):
        raise Invalid(f"IP address {address} is not a valid IP for the specified subnet.")
    return number


def _mac(network: Network, number: int) -> str:
    mac = XEN_OUI + number if network.ordinal == 0 else OWN_RANGE + (network.ordinal << 24) + number
    return ":".join(f"{mac >> shift & 0xFF:02x}" for shift in range(40, -1, -8))


def _vif(network: Network, port: Port, tag: str | None) -> Vif:
    return Vif(
        id=port.id,
        mac=port.mac,
        network_id=network.id,
        network_label=network.label,
        bridge=network.bridge,
        ip=port.ip,
        prefix_length=IPv4Network(network.cidr).prefixlen,
        gateway=network.gateway,
        device=port.device,
        tag=tag,
        is_users=port.is_users,
        is_secured=port.is_secured,
    )
