"""Fetches the bytes behind a URL on this machine, as a stream. No other machine is ever contacted.

May not know what the bytes mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.downloads import is_here, web_address
from fake_xapi.transports.remotes import CONNECT_S, read_head, request_head, split_address, unreachable, unverified

_PIECE_BYTES = 256 << 10
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


async def fetch(url: str) -> AsyncIterator[bytes]:
    """The body behind an http or https URL. Failure INVALID_VALUE ["url", url]; CANNOT_CONTACT_HOST [address] when it cannot be fetched."""
    parts = web_address(url)
    if parts is None or parts.hostname is None:
        raise Failure("INVALID_VALUE", "url", url)
    if not is_here(parts.hostname):
        raise unreachable(parts.hostname)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    context = unverified() if parts.scheme == "https" else None
    try:
        host, port = split_address(parts.netloc.rpartition("@")[2], _PORTS[parts.scheme])
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=context), CONNECT_S)
        try:
            writer.write(request_head("GET", target, parts.netloc.rpartition("@")[2], "*/*", 0))
            async for piece in _body(reader, host):
                yield piece
        finally:
            writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise unreachable(parts.hostname) from error


async def _body(reader: asyncio.StreamReader, address: str) -> AsyncIterator[bytes]:
    status, left = await read_head(reader)
    if status != 200:
        raise unreachable(address)
    while left and (piece := await reader.read(_PIECE_BYTES if left < 0 else min(left, _PIECE_BYTES))):
        left -= len(piece) if left > 0 else 0
        yield piece
    if left > 0:
        raise asyncio.IncompleteReadError(b"", left)
