"""The DHCP server of each network: a lease depends on the network and the interface alone, and no two interfaces share one.

Nothing is stored: every host of a pool gives the same answer, and a lease is the same after a reboot, a migration or a restart.
"""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache

from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.ids import CLASS_MASK, Id
from fake_xapi.state.world import World

_ORDINALS = 1 << CLASS_MASK.bit_length()
_FIRST = int(ipaddress.IPv4Address("10.0.0.0"))
_HOSTS = 254
_SUBNETS = 1 << 16
_POOL = _HOSTS * _SUBNETS
"""The addresses of 10.0.0.0/8 whose last octet is 1 to 254."""


def lease(world: World, vif: Id) -> str:
    """The address that a network's DHCP server gives an interface; "" when its range is used up."""
    network = world.get(world[vif]["network"])
    place = vif // _ORDINALS
    own = _own_range(network) if network is not None else None
    if own is None:
        return _address((_offset(world, world[vif]["network"]) + place) % _POOL)
    first, last = own
    return str(ipaddress.IPv4Address(first + place % (last - first + 1))) if place <= last - first else ""


def _own_range(network: AnyRow) -> tuple[int, int] | None:
    """The range of a network that has one, as the host internal management network does."""
    config = network["other_config"]
    try:
        first, last = (int(ipaddress.IPv4Address(config[key])) for key in ("ip_begin", "ip_end"))
    except (KeyError, ValueError):
        return None
    return (first, last) if first <= last else None


def _offset(world: World, network: Id) -> int:
    return _hashed(world.uuid(network))


@lru_cache(maxsize=4096)
def _hashed(uuid: str) -> int:
    return int.from_bytes(hashlib.blake2b(uuid.encode(), digest_size=8).digest(), "big") % _POOL


def _address(place: int) -> str:
    subnet, host = divmod(place, _HOSTS)
    return str(ipaddress.IPv4Address(_FIRST + (subnet << 8) + host + 1))
