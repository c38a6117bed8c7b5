"""The proxy of consoles: who comes with a token is let through to the screen of its server, over a websocket or a plain stream.

A viewer in a browser opens ``ws://HERE/?token=...``; an old one sends ``GET /console?token=... HTTP/1.1`` and speaks RFB after the answer.
The token is used up by that; where the host is, and the session that opens its door, no viewer ever learns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from wsproto.utilities import ProtocolError

from compute_core.api.console_tokens import PATH, ConsoleTokens
from compute_core.api.console_wires import HEAD_BYTES, ConsoleRefused, PlainWire, WebsocketWire, Wire, bridge, host_wire, read_head
from compute_core.model.errors import ComputeError, NotFound
from compute_core.xenapi.console_access import ConsoleAccess

log = logging.getLogger(__name__)

HEAD_S = 10.0
Find = Callable[[str], Awaitable[ConsoleAccess]]
"""The way to a server's screen, by its uuid. Raises ComputeError."""


class Refused(Exception):
    """What a viewer is told instead of its screen."""

    def __init__(self, status: str, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(slots=True)
class ConsoleProxy:
    """One listening socket; ``start`` before use, ``close`` after."""

    tokens: ConsoleTokens
    find: Find
    _server: asyncio.Server | None = None
    _viewers: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, host: str, port: int) -> None:
        """Listen; ``port`` 0 takes any that is free. OSError when it is taken."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=HEAD_BYTES)
        self.tokens.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening, and end every viewer's connection."""
        self.tokens.url = ""
        if self._server is not None:
            self._server.close()
        for viewer in self._viewers:
            viewer.cancel()
        await asyncio.gather(*self._viewers, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each viewer has a task of ours, which may be cancelled: asyncio's own would be reported as a failure."""
        viewer = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._viewers.add(viewer)
        viewer.add_done_callback(self._viewers.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._show(reader, writer)
        except Refused as refusal:
            log.info("a viewer is refused: %s", refusal)
            writer.write(_page(refusal))
        except ConnectionError:
            log.info("a viewer went away")
        finally:
            writer.close()

    async def _show(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await read_head(reader, HEAD_S)
        except ValueError as problem:
            raise Refused("400 Bad Request", str(problem)) from problem
        uuid = self._opened(head)
        host = await self._host(uuid)
        log.info("the screen of %s is shown", uuid)
        try:
            await bridge(await _viewer(PlainWire(reader, writer), head), host)
        except ProtocolError as problem:
            raise Refused("400 Bad Request", str(problem)) from problem
        finally:
            host.close()

    def _opened(self, head: bytes) -> str:
        """The server that the token of a request opens."""
        try:
            return self.tokens.take(_token(head)).instance_uuid
        except NotFound as refusal:
            raise Refused("403 Forbidden", refusal.message) from refusal

    async def _host(self, uuid: str) -> PlainWire:
        try:
            return await host_wire(await self.find(uuid))
        except (ComputeError, ConsoleRefused) as problem:
            raise Refused("502 Bad Gateway", str(problem)) from problem


async def _viewer(plain: PlainWire, head: bytes) -> Wire:
    """The viewer's wire, as it asks for one."""
    if b"\r\nupgrade: websocket" in head.lower():
        websocket = WebsocketWire(plain)
        await websocket.accept(head)
        return websocket
    await plain.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    return plain


def _token(head: bytes) -> str:
    """The token in the target of a request."""
    line = head.split(b"\r\n", 1)[0].decode("latin-1").split()
    target = urlsplit(line[1]) if len(line) == 3 else urlsplit("")
    return next(iter(parse_qs(target.query).get("token", ())), "")


def _page(refusal: Refused) -> bytes:
    body = f"{refusal}\n".encode()
    fields = f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"HTTP/1.1 {refusal.status}\r\n{fields}\r\n\r\n".encode() + body


def url_of(tokens: ConsoleTokens, kind: str, token: str) -> str:
    """Where a viewer of a kind finds the screen that a token opens."""
    return URLS[kind].format(base=tokens.url, path=PATH, token=token)


URLS = {
    "novnc": "{base}/vnc_auto.html?path=%3Ftoken%3D{token}",
    "xvpvnc": "{base}{path}?token={token}",
}
"""By kind of viewer, as Nova writes them: noVNC takes ``path`` for that of its websocket."""
