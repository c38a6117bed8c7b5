"""A small real HTTP server on a real socket, so that the client is tested over what it will meet: bytes, and their absence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from compute_core.xenapi.session import Account


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    reader: asyncio.StreamReader

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))

    async def body(self) -> bytes:
        return await self.reader.readexactly(self.length)


Handler = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    url: str
    connections: int = 0
    seen: list[Any] = field(default_factory=list)

    def account(self) -> Account:
        return Account(self.url, "root", "xenroot")


@contextlib.asynccontextmanager
async def served(handler: Callable[[Server], Handler]) -> AsyncIterator[Server]:
    server = Server("")
    handle = handler(server)
    writers: list[asyncio.StreamWriter] = []

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await handle(await read_request(reader), writer)

    listener = await asyncio.start_server(client, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for writer in writers:
            if not writer.is_closing():
                writer.transport.abort()
        await asyncio.sleep(0)


async def read_request(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    return Request(method, target, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, reader)


def reply(body: bytes, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def result(value: Any) -> bytes:
    return reply(orjson.dumps({"jsonrpc": "2.0", "result": value, "id": 1}))


def refusal(*details: str) -> bytes:
    return reply(orjson.dumps({"jsonrpc": "2.0", "error": {"code": 1, "message": details[0], "data": details[1:]}, "id": 1}))


def xml(value: str) -> bytes:
    status = "<member><name>Status</name><value>Success</value></member>"
    struct = f"<value><struct>{status}<member><name>Value</name>{value}</member></struct></value>"
    return reply(f"<methodResponse><params><param>{struct}</param></params></methodResponse>".encode(), content_type="text/xml")
