"""The HTTP server of a fleet: one listener for all hosts, each at its own loopback address, or one per port.

May not know what is answered; it owns sockets, and ends what it has started.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Mapping
from typing import Self

from fake_xapi.transports.connection import Connection, Limits, Site
from fake_xapi.transports.handlers import HANDLERS
from fake_xapi.transports.jsonrpc import JSON_CODECS
from fake_xapi.transports.ports import Router
from fake_xapi.transports.requests import Codecs
from fake_xapi.transports.tls import Contexts, Door
from fake_xapi.transports.xmlrpc import JSON_PATH_CODECS, XML_CODECS

BACKLOG = 4096

CODECS: Mapping[str, Codecs] = {
    "/": XML_CODECS,
    "/RPC2": XML_CODECS,
    "/xmlrpc": XML_CODECS,
    "/json": JSON_PATH_CODECS,
    "/jsonrpc": JSON_CODECS,
}


class HttpServer:
    """Serves the XAPIs of a router until it is closed: ``async with HttpServer(router) as server: server.listen(8080)``."""

    def __init__(self, router: Router, limits: Limits | None = None) -> None:
        self._site = Site(router, CODECS, HANDLERS, limits or Limits())
        self._servers: list[asyncio.Server] = []
        self._contexts = Contexts()
        self._open_doors: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def listen(self, port: int) -> int:
        """Accept connections to every loopback address at a port (0: any free one); returns it. OSError when it is taken."""
        return await self._serve(every_loopback_address(port))

    async def listen_at(self, address: str, ports: Iterable[int]) -> list[int]:
        """Accept connections to one loopback address at several ports: one per host, on systems with a single address."""
        return [await self._serve(loopback_address(address, port)) for port in ports]

    async def listen_tls(self, port: int) -> int:
        """As ``listen``, with TLS."""
        return await self._serve(every_loopback_address(port), is_wrapped=True)

    async def listen_tls_at(self, address: str, ports: Iterable[int]) -> list[int]:
        """As ``listen_at``, with TLS."""
        return [await self._serve(loopback_address(address, port), is_wrapped=True) for port in ports]

    def drop_dead(self) -> None:
        """Close the connections to hosts that have died: their clients get no answer."""
        for connection in list(self._site.connections):
            connection.drop_if_dead()

    async def close(self) -> None:
        """Stop listening, and end all connections with the work that serves them."""
        for server in self._servers:
            server.close()
        for connection in list(self._site.connections):
            connection.drop()
        for transport in list(self._open_doors):
            transport.abort()
        await asyncio.sleep(0)  # a task that never began would leave its coroutine behind
        tasks = list(self._site.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(server.wait_closed() for server in self._servers))
        self._servers.clear()

    async def _serve(self, listener: socket.socket, *, is_wrapped: bool = False) -> int:
        loop, site = asyncio.get_running_loop(), self._site
        port: int = listener.getsockname()[1]

        def connection() -> Connection:
            return Connection(site, loop)

        def door() -> Door:
            return Door(site.router, self._contexts, self._open_doors, connection)

        self._servers.append(await loop.create_server(door if is_wrapped else connection, sock=listener, backlog=BACKLOG))
        return port


def every_loopback_address(port: int) -> socket.socket:
    """A socket that only loopback reaches: on all addresses of the device ``lo``, or on 127.0.0.1 where that is forbidden."""
    listener = _socket()
    try:
        with contextlib.suppress(PermissionError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        is_on_loopback = listener.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).startswith(b"lo")
        listener.bind(("0.0.0.0" if is_on_loopback else "127.0.0.1", port))  # noqa: S104  # the device keeps it on loopback
    except OSError:
        listener.close()
        raise
    return listener


def loopback_address(address: str, port: int) -> socket.socket:
    """A socket on one address; ValueError for an address outside 127.0.0.0/8."""
    if not address.startswith("127."):
        raise ValueError(f"{address} is not a loopback address; the simulator serves 127.0.0.0/8 only")
    listener = _socket()
    try:
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


def _socket() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return listener
