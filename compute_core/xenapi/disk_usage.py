"""Whose the bytes of an SR are: every disk's chain is followed, and what several need is counted once. Pure.

A disk that XenServer has cloned stands on a hidden one, which all its clones share; that is nobody's own as long as two need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.model.usage import DiskUsage
from compute_core.xenapi import marks

Records = Mapping[str, Mapping[str, Any]]
CACHE, OTHER = "cache", "other"
"""Owners that are no servers."""
PARENT = "vhd-parent"


@dataclass(frozen=True, slots=True)
class Account:
    """What one owner has for itself, and what it shares with others, in bytes that the SR has given."""

    own_bytes: int = 0
    shared_bytes: int = 0
    virtual_bytes: int = 0


@dataclass(slots=True)
class _Sum:
    own: int = 0
    shared: int = 0
    virtual: int = 0


@dataclass(frozen=True, slots=True)
class Accounts:
    """By owner: servers by their uuids, CACHE, OTHER. ``base_bytes`` is what several owners share."""

    by_owner: Mapping[str, Account] = field(default_factory=dict)
    base_bytes: int = 0

    def of(self, owner: str) -> Account:
        """One owner's."""
        return self.by_owner.get(owner, Account())


def accounts(vdis: Records, owners: Mapping[str, str]) -> Accounts:
    """``vdis``: all of one SR, hidden ones too. ``owners``: the servers whose VMs have disks, by the disks' refs."""
    needing, sums, base_bytes = needed_by(vdis), dict[str, _Sum](), 0
    for ref, vdi in vdis.items():
        size, of = vdi["physical_utilisation"], {owner_of(leaf, vdis[leaf], owners) for leaf in needing.get(ref, ())} or {OTHER}
        base_bytes += size if len(of) > 1 else 0
        for owner in of:
            found = sums.setdefault(owner, _Sum())
            found.own += size if len(of) == 1 else 0
            found.shared += size if len(of) > 1 else 0
            found.virtual += vdi["virtual_size"] if ref in owners and owners[ref] == owner else 0
    return Accounts({owner: Account(each.own, each.shared, each.virtual) for owner, each in sums.items()}, base_bytes)


def owner_of(ref: str, vdi: Mapping[str, Any], owners: Mapping[str, str]) -> str:
    """Whose a disk is: by the VM that has it, else by its mark."""
    known = owners.get(ref) or marks.instance_of(vdi)
    return known or (CACHE if marks.is_cached_image(vdi) else OTHER)


def chain(vdis: Records, refs: Mapping[str, str], ref: str) -> Iterator[str]:
    """A disk and all that it stands on, by ref; ``refs`` are those of the SR by uuid. One that loops ends where it has been."""
    seen: set[str] = set()
    at: str | None = ref
    while at is not None and at not in seen:
        seen.add(at)
        yield at
        at = refs.get(vdis[at]["sm_config"].get(PARENT, ""))


def refs_by_uuid(vdis: Records) -> Mapping[str, str]:
    """The refs of disks by their uuids."""
    return {vdi["uuid"]: ref for ref, vdi in vdis.items()}


def needed_by(vdis: Records) -> Mapping[str, set[str]]:
    """By disk, which of those that XAPI shows stand on it, itself among them. A hidden one is nobody's but theirs."""
    refs, found = refs_by_uuid(vdis), dict[str, set[str]]()
    for ref, vdi in vdis.items():
        if vdi["managed"]:
            for link in chain(vdis, refs, ref):
                found.setdefault(link, set()).add(ref)
    return found


def disk_usage(found: Accounts, sr: Mapping[str, Any], servers: Mapping[str, Any]) -> DiskUsage:
    """The SR as a whole; ``servers`` are those of the host."""
    others = [account.own_bytes for owner, account in found.by_owner.items() if owner != CACHE and owner not in servers]
    return DiskUsage(
        size_bytes=sr["physical_size"],
        used_bytes=sr["physical_utilisation"],
        servers_bytes=sum(found.of(uuid).own_bytes for uuid in servers),
        base_bytes=found.base_bytes,
        cache_bytes=found.of(CACHE).own_bytes,
        other_bytes=sum(others),
    )
