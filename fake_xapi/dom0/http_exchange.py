"""Exchanges with an HTTP server on this machine, bodies as streams in both directions: what dom0's plugins need of an image service.

Nothing is ever asked of another machine. May not know what travels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from fake_xapi.dom0.downloads import is_loopback

QUIET_S = 60.0
"""A server that says nothing for so long is taken for dead."""
_PIECE = 256 << 10
_MOST_HEADERS = 64 << 10
_BROKEN = (TimeoutError, ValueError, EOFError, IndexError, asyncio.LimitOverrunError, ConnectionError)


class ExchangeError(OSError):
    """No server there, none that may be asked, or one that does not speak HTTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a server; its body is read as it comes."""

    status: int
    headers: Mapping[str, str]
    reader: asyncio.StreamReader

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. ExchangeError when it does not come to its end."""
        try:
            async for piece in self._body():
                yield piece
        except _BROKEN as error:
            raise ExchangeError(f"the answer cannot be read: {error!r}") from error

    async def _body(self) -> AsyncIterator[bytes]:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            async for piece in self._chunks():
                yield piece
            return
        left = int(self.headers["content-length"]) if "content-length" in self.headers else None
        while left is None or left:
            piece = await asyncio.wait_for(self.reader.read(_PIECE if left is None else min(left, _PIECE)), QUIET_S)
            if not piece and left:
                raise ExchangeError("the answer ends too early")
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            line = await asyncio.wait_for(self.reader.readline(), QUIET_S)
            size = int(line.partition(b";")[0], 16)
            if not size:
                return
            while size:
                piece = await asyncio.wait_for(self.reader.read(min(size, _PIECE)), QUIET_S)
                if not piece:
                    raise ExchangeError("the answer ends too early")
                size -= len(piece)
                yield piece
            await self.reader.readexactly(2)

    async def content(self, most_bytes: int) -> bytes:
        """A small body as a whole."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > most_bytes:
                raise ExchangeError(f"more than {most_bytes} bytes")
        return bytes(body)


@asynccontextmanager
async def exchange(method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] = b"") -> AsyncIterator[Reply]:
    """Send a request, a body in pieces as chunks, and read the answer's head. ExchangeError."""
    if not is_loopback(url):
        raise ExchangeError(f"{url}: only servers on this machine are reached")
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=_MOST_HEADERS)
    except OSError as error:
        raise ExchangeError(f"{url}: {error}") from error
    try:
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        await _send(writer, f"{method} {target} HTTP/1.1", {"Host": parts.netloc, "Connection": "close", **headers}, body)
        reply = await _head(reader)
    except _BROKEN as error:
        writer.close()
        raise ExchangeError(f"{url}: {error!r}") from error
    try:
        yield reply
    finally:
        writer.close()


async def _send(writer: asyncio.StreamWriter, line: str, headers: Mapping[str, str], body: bytes | Iterable[bytes]) -> None:
    is_whole = isinstance(body, bytes)
    length = {"Content-Length": str(len(body))} if isinstance(body, bytes) else {"Transfer-Encoding": "chunked"}
    head = [line, *(f"{name}: {_clean(value)}" for name, value in {**headers, **length}.items())]
    writer.write("\r\n".join([*head, "", ""]).encode("latin-1", "replace"))
    for piece in (body,) if isinstance(body, bytes) else body:
        writer.write(piece if is_whole else b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
        await writer.drain()
    if not is_whole:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


def _clean(value: str) -> str:
    """A header's value on one line."""
    return str(value).replace("\r", " ").replace("\n", " ")


async def _head(reader: asyncio.StreamReader) -> Reply:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), QUIET_S)).decode("latin-1")
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return Reply(int(first.split(" ")[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}, reader)
