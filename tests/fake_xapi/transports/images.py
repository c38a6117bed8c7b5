"""Requests that move disk images, and a host to move them to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from fake_xapi.transports.connection import Limits
from tests.fake_xapi.transports.serving import Client, Reply, serving
from tests.fake_xapi.transports.worlds import MB, Host, host

NOISE = random.Random(1).randbytes(MB)


@asynccontextmanager
async def served(sr_size: int = 10 << 30, limits: Limits | None = None, release: str = "latest") -> AsyncIterator[tuple[Host, Client]]:
    made = await host(release, sr_size)
    async with serving(made.xapi, limits) as connect:
        yield made, await connect()
    await made.xapi.close()
    made.xapi.disks.close()


def put(body: bytes, extra: str = "", **query: str) -> bytes:
    head = f"PUT /import_raw_vdi?{urlencode(query)} HTTP/1.1\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def get(extra: str = "", **query: str) -> bytes:
    return f"GET /export_raw_vdi?{urlencode(query)} HTTP/1.1\r\n{extra}\r\n".encode()


async def exchange(client: Client, request: bytes) -> Reply:
    await client.send(request)
    return await client.reply()


async def xen_answers(xen: Host) -> None:
    """Let the loop go round."""
    await asyncio.sleep(0)
    await xen.call("VDI.get_all")
