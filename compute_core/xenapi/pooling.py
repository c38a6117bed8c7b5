"""A host changes its pool: it joins one, or is ejected and is a pool by itself again. Afterwards nothing of what was known of it holds.

XAPI accepts at once and does it by and by: the host restarts. Whoever hears nothing looks at the pool before he asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.model.errors import Conflict
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, any_of
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.place import NO_DISKS
from compute_core.xenapi.session import XenApi

LOST = "HANDLE_INVALID"
OF_VMS = frozenset({"user", "system", "suspend", "ephemeral"})
"""Types of VDIs that belong to VMs, and not to XenServer."""


async def has_member(xapi: XenApi, uuid: str) -> bool:
    """Whether the pool knows a host, which may have yet to restart."""
    try:
        await xapi.call("host.get_by_uuid", uuid)
    except XenApiFailure as failure:
        if failure.code != "UUID_INVALID":
            raise
        return False
    return True


async def name_pool(xapi: XenApi, name: str) -> None:
    """Call the pool by a name: two calls."""
    (pool,) = await xapi.call("pool.get_all")
    await xapi.call("pool.set_name_label", pool, name)


async def join(xapi: XenApi, address: str) -> None:
    """Have the host join the pool whose master is at an address, with the account that is used here: a pool has one for all its hosts.

    Not to be repeated while the pool knows the host already. XenApiFailure with the reason; Conflict: the account is none there.
    """
    try:
        await xapi.call_with_account("pool.join", address)
    except XenApiFailure as failure:
        if failure.code != "SESSION_AUTHENTICATION_FAILED":
            raise
        cure = "Cure: give the hosts of one pool the same user and password in the inventory."
        raise Conflict(f"The master at {address} does not take this host's user and password. {cure}") from failure


async def eject(xapi: XenApi, host: str) -> None:
    """Have the pool let a host go, which loses what is on its own disks. One that is gone is fine. Conflict: some of it is not ours."""
    foreign = [vdi["name_label"] or vdi["uuid"] for vdi in await _foreign_disks(xapi, host)]
    if foreign:
        cure = "Cure: move or destroy these first."
        raise Conflict(f"The host's own disks hold what would be lost and is not ours: {', '.join(sorted(foreign))}. {cure}")
    try:
        await xapi.call("pool.eject", host)
    except XenApiFailure as failure:
        if failure.code != LOST:
            raise


async def _foreign_disks(xapi: XenApi, host: str) -> list[Mapping[str, Any]]:
    """Disks of VMs, running or not, on SRs that no other host has, and that bear none of our marks."""
    pbds = (await all_of(xapi, "PBD", {"host": host})).values()
    srs = await all_of(xapi, "SR", {"shared": "false"}) if pbds else {}
    own = {pbd["SR"] for pbd in pbds if pbd["SR"] in srs and NO_DISKS.isdisjoint((srs[pbd["SR"]]["content_type"], srs[pbd["SR"]]["type"]))}
    vdis = (await any_of(xapi, "VDI", [("SR", sr) for sr in sorted(own)])).values() if own else ()
    return [vdi for vdi in vdis if vdi["managed"] and vdi["type"] in OF_VMS and not marks.is_marked(vdi)]
