"""What is on one volume is copied onto another by a host that has neither of them for a server: both are LUNs, and LUNs copy nothing."""

from __future__ import annotations

from compute_core.model.volumes import Connection
from compute_core.xenapi.place import NULL
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.targets import Targets
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.volumes import forget


async def copied(xapi: XenApi, targets: Targets, who: str, source: Connection, target: Connection) -> None:
    """At most eighteen calls; ``who`` holds their targets meanwhile. Again is fine. What a guest holds is not copied.

    Raises XenApiFailure, NotSent, ReplyLost, TransferFailed.
    """
    used = [source.target, target.target]
    targets.hold(who, used)
    async with Undo(f"copy {who}") as undo:
        undo.add("forget the targets", lambda: _let_go(xapi, targets, who))
        vdis = [await _disk(xapi, targets, each) for each in (source, target)]
        await xapi.call("VDI.copy", vdis[0], NULL, NULL, vdis[1])
    await _let_go(xapi, targets, who)


async def _disk(xapi: XenApi, targets: Targets, connection: Connection) -> str:
    async with targets.turn(connection.target):
        return await targets.disk(xapi, connection)


async def _let_go(xapi: XenApi, targets: Targets, who: str) -> None:
    await forget(xapi, targets, targets.let_go(who))
