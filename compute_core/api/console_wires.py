"""Two ways in which a viewer's bytes of RFB travel, a plain stream and a websocket, and the way to the host that shows the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import urlencode

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Request, TextMessage
from wsproto.utilities import ProtocolError

from compute_core.xenapi.console_access import ConsoleAccess
from compute_core.xenapi.http import Address

CHUNK_BYTES = 65536
HEAD_BYTES = 16384
CONNECT_S = 10.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ConsoleRefused(Exception):
    """The host does not show the screen."""


class Wire(Protocol):
    """One side's bytes of RFB."""

    def chunks(self) -> AsyncIterator[bytes]:
        """What comes, until the side is gone."""

    async def send(self, chunk: bytes) -> None:
        """Send, when the side takes it."""

    def close(self) -> None:
        """Say goodbye. At once: whoever closes both sides may be cancelled at any await."""


class PlainWire:
    """Bytes as they are."""

    __slots__ = ("_reader", "_writer")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Wire."""
        while chunk := await self._reader.read(CHUNK_BYTES):
            yield chunk

    async def send(self, chunk: bytes) -> None:
        """See Wire."""
        self._writer.write(chunk)
        await self._writer.drain()

    def close(self) -> None:
        """See Wire."""
        self._writer.close()


class WebsocketWire:
    """Bytes in binary messages, after RFC 6455."""

    __slots__ = ("_plain", "_protocol")

    def __init__(self, plain: PlainWire) -> None:
        self._plain = plain
        self._protocol = WSConnection(ConnectionType.SERVER)

    async def accept(self, head: bytes) -> None:
        """Answer the request that asks for a websocket. ProtocolError: it does not."""
        self._protocol.receive_data(head)
        asked = next((event for event in self._protocol.events() if isinstance(event, Request)), None)
        if asked is None:
            raise ProtocolError("not the request of a websocket")
        subprotocol = "binary" if "binary" in asked.subprotocols else None
        await self._plain.send(self._protocol.send(AcceptConnection(subprotocol=subprotocol)))

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Wire."""
        async for raw in self._plain.chunks():
            try:
                self._protocol.receive_data(raw)
                events = list(self._protocol.events())
            except ProtocolError:
                return
            for event in events:
                if isinstance(event, CloseConnection):
                    return
                if isinstance(event, Ping):
                    await self._plain.send(self._protocol.send(event.response()))
                if (chunk := _bytes_of(event)) is not None:
                    yield chunk

    async def send(self, chunk: bytes) -> None:
        """See Wire."""
        await self._plain.send(self._protocol.send(BytesMessage(data=chunk)))

    def close(self) -> None:
        """See Wire."""
        self._plain.close()


def _bytes_of(event: Event) -> bytes | None:
    """Old viewers know text messages only, and send bytes as if they were text."""
    if isinstance(event, BytesMessage):
        return bytes(event.data)
    return event.data.encode("latin-1", errors="replace") if isinstance(event, TextMessage) else None


async def read_head(reader: asyncio.StreamReader, limit_s: float) -> bytes:
    """A head of HTTP, with its empty line. ValueError: it is too long, too late, or none."""
    try:
        async with asyncio.timeout(limit_s):
            return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError) as problem:
        raise ValueError(f"no head of HTTP: {problem!r}") from problem


async def host_wire(access: ConsoleAccess) -> PlainWire:
    """The screen of a VM, from its host's handler on. ConsoleRefused, with what the host said."""
    address = Address.of(access.url)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=address.tls, limit=HEAD_BYTES)
    except OSError as problem:
        raise ConsoleRefused(f"{address.host}:{address.port} cannot be reached") from problem
    query = urlencode({"ref": access.vm, "session_id": access.session})
    writer.write(f"CONNECT /console?{query} HTTP/1.0\r\nHost: {address.host}\r\n\r\n".encode())
    try:
        head = await read_head(reader, CONNECT_S)
    except ValueError as problem:
        writer.close()
        raise ConsoleRefused(f"{address.host} does not answer") from problem
    status = head.split(b"\r\n", 1)[0].split()
    if len(status) < 2 or status[1] != b"200":
        writer.close()
        raise ConsoleRefused(f"{address.host} answers {head[:40]!r}")
    return PlainWire(reader, writer)


async def bridge(viewer: Wire, host: Wire) -> None:
    """Carry bytes both ways until either side is gone."""
    ways = {asyncio.create_task(_carry(viewer, host)), asyncio.create_task(_carry(host, viewer))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        viewer.close()
        host.close()
    await asyncio.gather(*ways, return_exceptions=True)


async def _carry(source: Wire, target: Wire) -> None:
    try:
        async for chunk in source.chunks():
            await target.send(chunk)
    except ConnectionError:
        return
