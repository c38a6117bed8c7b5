"""All hosts of all pools that an operator names, each once, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from compute_core.installer.standing import Standing, Target, targets
from compute_core.settings import HostEntry
from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.session import Account, Login, Session

AT_ONCE = 16
OnHost = Callable[[Session, Target], Awaitable[Standing]]


async def on_all(entries: Sequence[HostEntry], work: OnHost) -> list[Standing]:
    """What came of the work on each host, in the order of their names; an inventory may name one pool by several of its hosts."""
    room, seen = asyncio.Semaphore(AT_ONCE), set[str]()

    async def on_pool(entry: HostEntry) -> list[Standing]:
        async with room:
            return await _on_pool(entry, work, seen)

    found = await asyncio.gather(*(on_pool(entry) for entry in entries))
    return sorted((each for standings in found for each in standings), key=lambda each: each.host)


async def _on_pool(entry: HostEntry, work: OnHost, seen: set[str]) -> list[Standing]:
    session = Session(Login(Account(entry.url, entry.user, entry.password), HttpTransport))
    try:
        new = [target for target in await targets(session) if target.ref not in seen]
        seen.update(target.ref for target in new)
        return [await work(session, target) for target in new]
    except (XenApiFailure, Unanswered) as problem:
        return [Standing(entry.name, entry.url, "failing", problem=str(problem))]
    finally:
        await session.close()
