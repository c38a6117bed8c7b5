"""MAC addresses: how they are checked, and which one a VIF gets by default."""

from __future__ import annotations

import hashlib
import random
import re

from fake_xapi.datamodel.failure import Failure

_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def check_mac(mac: str) -> str:
    """The address as given; Failure MAC_INVALID for a malformed or a multicast address."""
    if not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1:
        raise Failure("MAC_INVALID", mac)
    return mac


def derived_mac(seed: str, device: int) -> str:
    """The address of a VM's n-th VIF, derived from its ``mac_seed``: locally administered, the same on every machine."""
    first = _hashed(seed, 2 * device)
    second = hashlib.md5(first, usedforsecurity=False).digest()
    return _local((first[0], first[1], first[2], first[3], second[1], second[2]))


def random_mac(chance: random.Random) -> str:
    """A random, locally administered address."""
    return _local(tuple(chance.randbytes(6)))


def _hashed(seed: str, times: int) -> bytes:
    digest = hashlib.md5(seed.encode(), usedforsecurity=False).digest()
    for _ in range(times):
        digest = hashlib.md5(digest, usedforsecurity=False).digest()
    return digest


def _local(octets: tuple[int, ...]) -> str:
    first = (octets[0] | 2) & ~1 & 0xFF
    return ":".join(f"{octet:02x}" for octet in (first, *octets[1:]))


def leased_address(mac: str) -> str:
    """The IPv4 address in 172.16.0.0/12 that a DHCP server leases to a host's interface: always the same."""
    first, second, third = hashlib.blake2b(mac.lower().encode(), digest_size=3).digest()
    return f"172.{16 + first % 16}.{second}.{1 + third % 254}"
