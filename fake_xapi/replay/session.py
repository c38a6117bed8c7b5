"""One run of the recorder: a proxy before a server, a file behind it, and a crawl where one is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fake_xapi.engine.clock import Clock
from fake_xapi.replay.crawl import CrawlError, Found, crawl, fastest
from fake_xapi.replay.notes import Notes
from fake_xapi.replay.proxy import Proxy, Upstream
from fake_xapi.replay.recording import Recorder


@dataclass(frozen=True, slots=True)
class Account:
    """As whom the crawl logs in."""

    user: str
    password: str


async def record(server: Upstream, recorder: Recorder, clock: Clock, port: int, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
    """Forward clients at a port (0: any free one) until told to stop. OSError when the port is taken or the file cannot be written."""
    notes = Notes(recorder, stop.set)
    notes.start()
    try:
        async with Proxy(server, notes, clock) as proxy:
            ready(await proxy.listen(port))
            await stop.wait()
    finally:
        await notes.close()
    _raise(notes)


async def record_all(server: Upstream, recorder: Recorder, clock: Clock, account: Account) -> Found:
    """Read everything that the server tells of itself. CrawlError when it cannot be read, OSError when the file cannot be written."""
    notes, failed = Notes(recorder), list[str]()
    notes.start()
    try:
        async with Proxy(server, notes, clock) as proxy:
            proxy.failed = failed.append
            found = await crawl(await fastest(await proxy.listen(0)), account.user, account.password)
    except CrawlError as error:
        if failed:
            raise CrawlError(f"{failed[0]}. Is the host up, and does the URL name it?") from error
        raise
    finally:
        await notes.close()
    _raise(notes)
    return found


def _raise(notes: Notes) -> None:
    if notes.failed is not None:
        raise notes.failed
