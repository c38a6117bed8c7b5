"""A proxy that forwards every byte as it comes, in both directions, to one server, and lets each connection be watched.

Clients reach it on loopback alone. May not know HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from fake_xapi.engine.clock import Clock
from fake_xapi.replay.notes import Exchange, Notes
from fake_xapi.replay.watching import CLIENT_LEFT, NO_ANSWER, Watch
from fake_xapi.transports.http import every_loopback_address

PIECE = 64 << 10
CONNECT_S = 10.0
_PORTS = {"http": 80, "https": 443}


class BadUpstream(ValueError):
    """A URL that names no server; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server: ``context`` is None where it speaks plain HTTP."""

    url: str
    host: str
    port: int
    context: ssl.SSLContext | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection; OSError or TimeoutError when there is none to be had."""
        return await asyncio.wait_for(asyncio.open_connection(self.host, self.port, ssl=self.context), CONNECT_S)


def upstream(url: str, authority: Path | None = None, *, is_insecure: bool = False) -> Upstream:
    """The server at a URL. ``authority`` is a PEM file that its certificate is verified with, unless nobody wants to know.

    Raises BadUpstream for what names no server, and for a file that holds no certificates.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.path not in ("", "/") or parts.query:
        raise BadUpstream(f"{url!r} is no URL of a host; write http://HOST[:PORT] or https://HOST[:PORT]")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise BadUpstream(f"{url!r}: {error}") from error
    context = _context(authority, is_insecure=is_insecure) if parts.scheme == "https" else None
    return Upstream(url.rstrip("/"), parts.hostname, port, context)


def _context(authority: Path | None, *, is_insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    except (ssl.SSLError, OSError) as error:
        raise BadUpstream(f"{authority} holds no certificates ({error}); name a PEM file") from error
    if is_insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Proxy:
    """Serves until it is closed: ``async with Proxy(upstream, notes, clock) as proxy: port = await proxy.listen(0)``."""

    def __init__(self, server: Upstream, notes: Notes, clock: Clock) -> None:
        self.failed: Callable[[str], None] = _unheard
        """Told why a connection to the server failed."""
        self._server = server
        self._notes = notes
        self._clock = clock
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def listen(self, port: int) -> int:
        """Take connections at a port of loopback (0: any free one, returned). OSError when it is taken."""
        listening = every_loopback_address(port)
        self._listener = await asyncio.start_server(self._serve, sock=listening, limit=PIECE)
        return int(listening.getsockname()[1])

    async def close(self) -> None:
        """End every connection; what was asked and not answered is noted as lost."""
        if self._listener is not None:
            self._listener.close()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        if self._listener is not None:
            await self._listener.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        if link is not None:
            self._links.add(link)
            link.add_done_callback(self._links.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await _Link(self, reader, writer).run()

    @property
    def server(self) -> Upstream:
        """Where everything goes."""
        return self._server

    @property
    def notes(self) -> Notes:
        """What is told of each exchange."""
        return self._notes

    @property
    def clock(self) -> Clock:
        """What date it is."""
        return self._clock


def _unheard(why: str) -> None:
    """Nobody wants to know."""
    del why


class _Link:
    """A client's connection and the one to the server that goes with it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._ended: asyncio.Queue[Exchange] = asyncio.Queue()
        self._watch = Watch(self._ended.put_nowait, proxy.clock.now, asyncio.get_running_loop().time)
        self._why = NO_ANSWER

    async def run(self) -> None:
        """Forward until one of both has nothing more to say."""
        reader, writer = self._client
        try:
            first = await reader.read(PIECE)
            if first:
                self._watch.client_sent(first)
                await self._join(first)
        except (OSError, TimeoutError) as error:
            self._why = f"{self._proxy.server.url} cannot be reached: {str(error) or type(error).__name__}"
            self._proxy.failed(self._why)
        finally:
            writer.transport.abort() if self._why != NO_ANSWER else writer.close()
            self._watch.end(self._why)
            await self._note()

    async def _join(self, first: bytes) -> None:
        reader, writer = await self._proxy.server.connect()
        try:
            writer.write(first)
            await self._both(reader, writer)
        finally:
            writer.close()

    async def _both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both directions until the server ends, or the client does where nobody can end one way alone."""
        forth = asyncio.ensure_future(self._forth(writer))
        back = asyncio.ensure_future(self._back(reader))
        try:
            await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
            if forth.done() and not back.done() and _ended_one_way(forth, writer):
                await back
            if not back.done():
                self._why = CLIENT_LEFT
        finally:
            for way in (forth, back):
                way.cancel()
            await asyncio.gather(forth, back, return_exceptions=True)

    async def _forth(self, writer: asyncio.StreamWriter) -> None:
        while piece := await self._client[0].read(PIECE):
            self._watch.client_sent(piece)
            writer.write(piece)
            await writer.drain()

    async def _back(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(PIECE):
            self._watch.server_sent(piece)
            self._client[1].write(piece)
            await self._client[1].drain()
            await self._note()

    async def _note(self) -> None:
        while not self._ended.empty():
            await self._proxy.notes.put(self._ended.get_nowait())


def _ended_one_way(forth: asyncio.Future[None], writer: asyncio.StreamWriter) -> bool:
    """Tell the server that its client has nothing more to say, if the client only stopped sending; whether that could be told."""
    if forth.cancelled() or forth.exception() is not None or not writer.can_write_eof():
        return False
    writer.write_eof()
    return True
