"""Two ways to the REST API: real HTTP, and the same application called on the loop's own thread for virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from compute_core.api.wsgi import Reply, Request, call_wsgi
from compute_core.xenapi.connection import Connection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MOST_CONNECTIONS = 16


class Api(Protocol):
    """Sends a request and brings the reply."""

    async def send(self, request: Request) -> Reply:
        """The reply to one request."""

    async def close(self) -> None:
        """Drop what is open."""


class WsgiApi:
    """The application itself, called on this thread."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    async def send(self, request: Request) -> Reply:
        """The application's answer."""
        return await call_wsgi(self._app, request)

    async def close(self) -> None:
        """Nothing is open."""


class HeaderedConnection(Connection):
    """A connection that keeps the headers of the last reply, names in lower case."""

    def __init__(self) -> None:
        super().__init__()
        self.headers: dict[str, str] = {}

    async def exchange(self, request: bytes) -> bytes:
        """Send a whole request and return the whole body of the reply."""
        self.headers = {}
        return await super().exchange(request)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Part of httptools' protocol."""
        super().on_header(name, value)
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")


class HttpApi:
    """Real HTTP with keep-alive, a few connections at most."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._gate = asyncio.Semaphore(MOST_CONNECTIONS)
        self._idle: list[HeaderedConnection] = []

    async def send(self, request: Request) -> Reply:
        """The server's answer."""
        async with self._gate:
            connection = await self._take()
            body = await connection.exchange(self._bytes(request))
            if connection.is_reusable:
                self._idle.append(connection)
            else:
                connection.close()
            return Reply(connection.status, connection.headers, body)

    async def close(self) -> None:
        """Close the connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)

    async def _take(self) -> HeaderedConnection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_broken:
                return connection
        _, made = await asyncio.get_running_loop().create_connection(HeaderedConnection, self._host, self._port)
        return made

    def _bytes(self, request: Request) -> bytes:
        body = request.body
        headers = {"Host": f"{self._host}:{self._port}", "Content-Length": str(len(body)), **request.headers}
        if request.json is not None:
            headers["Content-Type"] = "application/json"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
