"""XenAPI over HTTP: JSON-RPC where the server has it, XML-RPC otherwise, and the handlers that carry the bytes of disks.

Keeps a few connections open per address: one call at a time on each, a new one whenever all are busy. May not know of sessions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import urlencode, urlsplit

from compute_core.xenapi import jsonrpc, xmlrpc
from compute_core.xenapi.connection import Connection, ConnectionBroken
from compute_core.xenapi.errors import NotSent, Redirected, ReplyLost, TransferFailed, XenApiFailure

CONNECT_S = 10.0
KEPT = 2
"""Idle connections kept: one for calls, one for the long poll of events."""
KEPT_S = 30.0
"""How long an idle one is trusted; servers close theirs after a minute or more."""
FOUND = 302
"""With a location: another host of the pool has it."""
REASON_BYTES = 200
"""Of an error page, so much goes into the message."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; ``tls`` is None for plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None = None) -> Address:
        """The address in a URL. ``tls`` says whom to trust for https; without it the system's authorities are."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no URL of a XenAPI server; write http://HOST or https://HOST")
        if parts.scheme == "http":
            return cls(parts.hostname, parts.port or 80)
        return cls(parts.hostname, parts.port or 443, tls or ssl.create_default_context())


class HttpTransport:
    """The ``Transport`` of a server's URL."""

    __slots__ = ("_address", "_codec", "_head", "_idle", "_in_use", "_is_codec_settled")

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        self._address = Address.of(url, tls)
        self._head = f"Host: {self._address.host}:{self._address.port}\r\n"
        self._idle: list[Connection] = []
        self._in_use: set[Connection] = set()
        self._codec: ModuleType = jsonrpc
        self._is_codec_settled = False

    async def call(self, method: str, params: list[Any]) -> Any:
        """One RPC; the first one finds out whether the server speaks JSON-RPC."""
        status, content_type, body = await self._post(method, self._codec.encode(method, params))
        if not self._is_codec_settled:
            self._is_codec_settled = True
            if content_type != jsonrpc.CONTENT_TYPE:
                self._codec = xmlrpc
                return await self.call(method, params)
        said = body[:REASON_BYTES].decode(errors="replace")
        if status != 200:
            raise ReplyLost(method, f"{self._address.host} answered HTTP {status}: {said}")
        try:
            return self._codec.decode(body)
        except ValueError as problem:
            raise ReplyLost(method, f"the reply of {self._address.host} cannot be read ({problem}): {said}") from problem

    async def put(self, path: str, query: Mapping[str, str], chunks: AsyncIterator[bytes], length: int) -> None:
        """See the port."""
        head = f"PUT {path}?{urlencode(query)} HTTP/1.1\r\n{self._head}Content-Length: {length}\r\n\r\n".encode()
        connection = await self._take(path)
        try:
            await connection.send(head, chunks)
            body = b"".join([part async for part in connection.body()])
        except ConnectionBroken as problem:
            raise TransferFailed(f"PUT {path}: {problem}") from problem
        finally:
            self._give(connection)
        _check_reply(f"PUT {path}", connection, body)

    async def get(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """See the port."""
        connection = await self._take(path)
        try:
            await connection.ask(f"GET {path}?{urlencode(query)} HTTP/1.1\r\n{self._head}\r\n".encode())
            if connection.status != 200:
                _check_reply(f"GET {path}", connection, b"".join([part async for part in connection.body()]))
            async for part in connection.body():
                yield part
        except ConnectionBroken as problem:
            raise TransferFailed(f"GET {path}: {problem}") from problem
        finally:
            self._give(connection)

    async def close(self) -> None:
        """Drop every connection; whoever still waits for a reply gets ReplyLost."""
        for connection in [*self._idle, *self._in_use]:
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the sockets close before the loop may

    async def _post(self, method: str, body: bytes) -> tuple[int, str, bytes]:
        codec = self._codec
        head = f"POST {codec.PATH} HTTP/1.1\r\n{self._head}Content-Type: {codec.CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = await self._take(method)
        try:
            reply = await connection.exchange(head.encode() + body)
        except ConnectionBroken as problem:
            raise ReplyLost(method, f"no answer from {self._address.host}: {problem}") from problem
        finally:
            self._give(connection)
        return connection.status, connection.content_type, reply

    async def _take(self, what: str) -> Connection:
        now_s = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_broken and now_s - connection.idle_since_s < KEPT_S:
                return self._used(connection)
            connection.close()
        return self._used(await self._connect(what))

    def _used(self, connection: Connection) -> Connection:
        self._in_use.add(connection)
        return connection

    async def _connect(self, what: str) -> Connection:
        address = self._address
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(Connection, address.host, address.port, ssl=address.tls)
        except OSError as problem:  # TimeoutError, ssl.SSLError and socket.gaierror are OSErrors too
            reason = str(problem) or f"no connection within {CONNECT_S:g} s"
            raise NotSent(what, f"{address.host}:{address.port} cannot be reached: {reason}") from problem
        return connection

    def _give(self, connection: Connection) -> None:
        self._in_use.discard(connection)
        connection.idle_since_s = asyncio.get_running_loop().time()
        if connection.is_reusable and len(self._idle) < KEPT:
            self._idle.append(connection)
        else:
            connection.close()


def _check_reply(what: str, connection: Connection, body: bytes) -> None:
    """XAPI names no error in these pages but for the session's, which it answers with 401."""
    if connection.status == 401:
        raise XenApiFailure(["SESSION_INVALID", what])
    if connection.status == FOUND and connection.location:
        raise Redirected(what, connection.location)
    if connection.status != 200:
        raise TransferFailed(f"{what}: HTTP {connection.status} {body[:REASON_BYTES].decode(errors='replace')}".rstrip())
