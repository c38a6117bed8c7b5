"""A host changes its pool: it joins one, or is ejected and is a pool by itself again. Afterwards nothing of what was known of it holds.

XAPI accepts at once and does it by and by: the host restarts. Whoever hears nothing looks at the pool before he asks again.
"""

from __future__ import annotations

from compute_core.model.errors import Conflict
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.session import XenApi

LOST = "HANDLE_INVALID"


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
    """Have the pool let a host go, which loses what is on its own disks. One that is gone is fine."""
    try:
        await xapi.call("pool.eject", host)
    except XenApiFailure as failure:
        if failure.code != LOST:
            raise
