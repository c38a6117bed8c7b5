"""A simulated host behind a recording proxy, and whatever else a proxy may have before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import orjson
import XenAPI

from fake_xapi.engine.clock import Clock
from fake_xapi.engine.settings import Settings
from fake_xapi.fleet.addresses import has_all_loopback
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served
from fake_xapi.fleet.state_file import Saved
from fake_xapi.replay.notes import Notes
from fake_xapi.replay.proxy import Proxy, Upstream, upstream
from fake_xapi.replay.recording import Call, Recorder, read_calls

T = TypeVar("T")


def run(body: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(body, 60))


@dataclass
class Recorded:
    """A proxy that records to a file."""

    port: int
    path: Path
    notes: Notes

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def lines(self) -> list[dict[str, Any]]:
        """What was written up to now, the head left out."""
        await self.notes._waiting.join()
        return lines(self.path)

    async def calls(self) -> list[Call]:
        await self.notes._waiting.join()
        return list(read_calls(self.path))

    async def until(self, wanted: Callable[[list[Call]], bool]) -> list[Call]:
        """The calls, once they are as wanted."""
        while not wanted(found := await self.calls()):  # noqa: ASYNC110  # what passes in threads sets no event here
            await asyncio.sleep(0.01)
        return found


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()[1:]]


@asynccontextmanager
async def proxied(server: Upstream | str, path: Path) -> AsyncIterator[Recorded]:
    found = upstream(server) if isinstance(server, str) else server
    with Recorder.create(path, {"upstream": found.url}) as recorder:
        notes = Notes(recorder)
        notes.start()
        try:
            async with Proxy(found, notes, Clock()) as proxy:
                yield Recorded(await proxy.listen(0), path, notes)
        finally:
            await notes.close()


@asynccontextmanager
async def simulated(order: Order, settings: Settings | None = None) -> AsyncIterator[Fleet]:
    fleet = Fleet(replace(order, port=0, has_own_addresses=has_all_loopback()), settings or Settings())
    try:
        async with served(fleet):
            yield fleet
    finally:
        await fleet.close()


def url_of(fleet: Fleet) -> str:
    return next(fleet.sites()).url


async def official(url: str, talk: Callable[[Any], T]) -> T:
    """What the official client comes to, logged in, in a thread of its own."""

    def talked() -> T:
        session = XenAPI.Session(url)
        session.login_with_password("root", "xenroot")
        try:
            return talk(session)
        finally:
            session.logout()
            session("close")()

    return await asyncio.to_thread(talked)


@asynccontextmanager
async def raw_server(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]) -> AsyncIterator[str]:
    """A server that does what a function says with each connection."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def simulated_again(saved: Saved) -> AsyncIterator[str]:
    """The URL of the first host of what was saved."""
    fleet = Fleet(replace(saved.order, port=0, has_own_addresses=has_all_loopback()), before=saved)
    try:
        async with served(fleet):
            yield url_of(fleet)
    finally:
        await fleet.close()
