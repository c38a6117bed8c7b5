"""Bytes of disks that a host sends to another one of its pool: to the one that has the SR.

Transports say where they were sent; here it is followed, once. What has gone out by then is kept, as far as that is a little.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from compute_core.xenapi.errors import Redirected, TransferFailed
from compute_core.xenapi.transport import Dial, Transport, closing

MOST_KEPT_BYTES = 16 << 20
"""Of a body that goes out: hosts answer its head, so little of it is on its way by then."""


async def put(
    transport: Transport, dial: Dial, url: str, path: str, query: Mapping[str, str], chunks: AsyncIterator[bytes], length: int
) -> None:
    """As ``Transport.put``, to whatever host takes it. ``url`` is the transport's: others of the pool listen as it does."""
    body = _Body(chunks)
    try:
        async with closing(body.first()) as first:
            await transport.put(path, query, first, length)
    except Redirected as redirection:
        location = redirection.location
    else:
        return
    async with _sent_on(dial, url, f"PUT {path}", location) as there:
        await there.put(path, {**query, **_query(location)}, body.again(), length)


async def get(transport: Transport, dial: Dial, url: str, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """As ``Transport.get``, from whatever host has it."""
    try:
        async with closing(transport.get(path, query)) as chunks:
            async for chunk in chunks:
                yield chunk
    except Redirected as redirection:
        location = redirection.location
    else:
        return
    async with _sent_on(dial, url, f"GET {path}", location) as there, closing(there.get(path, {**query, **_query(location)})) as chunks:
        async for chunk in chunks:
            yield chunk


@asynccontextmanager
async def _sent_on(dial: Dial, url: str, what: str, location: str) -> AsyncIterator[Transport]:
    """The host that a location names. TransferFailed: it sends on as well."""
    there = dial(target(url, location))
    try:
        yield there
    except Redirected as again:
        raise TransferFailed(f"{what}: sent on from {_where(location)} to {_where(again.location)}") from again
    finally:
        await there.close()


def target(url: str, location: str) -> str:
    """The URL of the host that a location names: scheme and port are the pool's own where it does not say otherwise."""
    own, given = urlsplit(url), urlsplit(location)
    host, port = given.hostname or "", given.port or own.port
    name = f"[{host}]" if ":" in host else host
    return urlunsplit((own.scheme, f"{name}:{port}" if port else name, "", "", ""))


def _where(location: str) -> str:
    """Host and path, for people: the rest of a location has the session in it."""
    given = urlsplit(location)
    return f"{given.hostname or ''}{given.path}"


def _query(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


class _Body:
    """Chunks that can be begun again, as long as few of them have gone."""

    __slots__ = ("_chunks", "_kept", "_kept_bytes")

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._kept: deque[bytes] | None = deque()
        self._kept_bytes = 0

    async def first(self) -> AsyncGenerator[bytes]:
        async for chunk in self._chunks:
            self._kept_bytes += len(chunk)
            if self._kept_bytes > MOST_KEPT_BYTES:
                self._kept = None
            if self._kept is not None:
                self._kept.append(chunk)
            yield chunk

    async def again(self) -> AsyncGenerator[bytes]:
        if self._kept is None:
            raise TransferFailed(f"the host sent it elsewhere after {self._kept_bytes} bytes, of which nobody has the beginning any more")
        while self._kept:
            yield self._kept.popleft()
        async for chunk in self._chunks:
            yield chunk
