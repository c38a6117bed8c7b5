"""The embedded network service: flat networks in the cell's own store, addresses and MACs handed out in order."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network
from uuid import NAMESPACE_URL, uuid5

from compute_core.model.instances import Vif
from compute_core.networks.port import Network
from compute_core.store import addresses
from compute_core.store.port import Store

XEN_OUI = 0x00163E << 24
"""MACs of Xen's own range; the address's number makes the rest."""

RESERVED_ADDRESSES = 10
"""The network's first addresses stay free for gateways and the like."""

DEFAULT_NETWORK = ("private", "xenbr0", "10.0.0.0/12")


class EmbeddedNetworks:
    """``default`` is the network of a server that names none."""

    def __init__(self, store: Store, default: str) -> None:
        self._store = store
        self._default = default
        self._known: dict[str, Network] = {}

    @classmethod
    async def open(cls, store: Store, networks: Sequence[tuple[str, str, str]] = (DEFAULT_NETWORK,)) -> EmbeddedNetworks:
        """Networks given as (label, bridge, CIDR), the first one the default; those that the store knows stay as they are."""
        for label, bridge, cidr in networks:
            gateway = str(ip_network(cidr)[1])
            network_id = str(uuid5(NAMESPACE_URL, f"inova:network:{label}"))
            row = {"id": network_id, "label": label, "bridge": bridge, "cidr": cidr, "gateway": gateway}
            await store.run(addresses.add_network, row)
        return cls(store, networks[0][0])

    async def allocate(self, instance_uuid: str, network: str | None) -> tuple[Vif, ...]:
        """See the port."""
        found = await self._network(network or self._default)
        cidr = IPv4Network(found.cidr)
        count = cidr.num_addresses - RESERVED_ADDRESSES - 1
        number, device = await self._store.run(addresses.take, found.id, instance_uuid, count)
        return (_vif(found, cidr, instance_uuid, number, device),)

    async def _network(self, name: str) -> Network:
        """A network, which once made never changes."""
        if name not in self._known:
            self._known[name] = Network(**await self._store.run(addresses.network, name))
        return self._known[name]

    async def release(self, instance_uuid: str) -> None:
        """See the port."""
        await self._store.run(addresses.give_back, instance_uuid)

    async def list(self) -> tuple[Network, ...]:
        """See the port."""
        return tuple(Network(**row) for row in await self._store.run(addresses.listed))


def _vif(network: Network, cidr: IPv4Network, instance_uuid: str, number: int, device: int) -> Vif:
    mac = XEN_OUI + number
    return Vif(
        id=str(uuid5(NAMESPACE_URL, f"inova:vif:{network.id}:{instance_uuid}:{device}")),
        mac=":".join(f"{mac >> shift & 0xFF:02x}" for shift in range(40, -1, -8)),
        network_id=network.id,
        network_label=network.label,
        bridge=network.bridge,
        ip=str(cidr[number + RESERVED_ADDRESSES]),
        prefix_length=cidr.prefixlen,
        gateway=network.gateway,
        device=device,
    )
