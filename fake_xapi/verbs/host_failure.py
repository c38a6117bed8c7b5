"""A host that falls silent, as its pool sees it."""

from __future__ import annotations

import asyncio

from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call

ASSUMED_DEAD_S = 600.0
HEARTBEAT_S = 30.0


async def miss(call: Call, host: Id) -> None:
    """Take a host for dead when nothing has been heard of it for long enough."""
    await asyncio.sleep(ASSUMED_DEAD_S)
    set_live(call, host, is_live=False)


async def welcome(call: Call, host: Id) -> None:
    """Take it for alive at its next heartbeat."""
    await asyncio.sleep(HEARTBEAT_S)
    set_live(call, host, is_live=True)


def set_live(call: Call, host: Id, *, is_live: bool) -> None:
    """Write whether a host is known to live; one that is forgotten stays so."""
    row = call.world.get(host)
    if row is not None and row["metrics"]:
        with call.world.edit() as edit:
            edit.set(row["metrics"], live=is_live, last_updated=call.now())
            edit.set(host)
