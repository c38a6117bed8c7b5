"""An image service on this machine: as much of Glance's API, version 1 and 2, as its clients in dom0 need."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ImageService:
    """Images by id: their records and their data; ``requests`` are lines and headers as they came; ``answers`` replaces statuses."""

    url: str = ""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    is_chunked: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request on one connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in rest)}
        body = await _body(reader, headers)
        method, path, _ = line.split(" ")
        self.requests.append((f"{method} {path}", headers))
        status, content = self._answer(method, path.split("/"), body)
        writer.write(self._written(self.answers.get(method, status), content))
        await writer.drain()
        writer.close()

    def _answer(self, method: str, path: list[str], body: bytes) -> tuple[int, bytes]:
        image = path[3]
        if image not in self.records:
            return 404, b""
        if method == "PATCH":
            self.records[image].update({change["path"].removeprefix("/"): change["value"] for change in json.loads(body)})
            return 200, b"{}"
        if method == "PUT":
            self.data[image] = body
            return 204, b""
        is_data = path[1] == "v1" or path[-1] == "file"
        return (200, self.data[image]) if is_data else (200, json.dumps(self.records[image]).encode())

    def _written(self, status: int, content: bytes) -> bytes:
        if not self.is_chunked:
            return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content)
        pieces = [content[start : start + 70_000] for start in range(0, len(content), 70_000)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (status, chunks)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    return body


@asynccontextmanager
async def image_service() -> AsyncIterator[ImageService]:
    """A service that listens on a free port of this machine."""
    service = ImageService()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0, limit=1 << 20)
    host, port = server.sockets[0].getsockname()
    service.url = f"http://{host}:{port}"
    try:
        yield service
    finally:
        server.close()
