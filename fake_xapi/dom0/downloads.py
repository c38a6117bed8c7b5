"""Fetches from where repositories may be: an HTTP server on this machine. Nothing is ever asked of another one.

May not know what is fetched.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

DEADLINE_S = 10.0


class NotFetched(OSError):
    """No server there, none that may be asked, or one that does not answer with the file."""


def web_address(url: str) -> SplitResult | None:
    """The parts of an http or https URL with a host and a port that may be; None for any other text."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if is_good else None


def is_loopback(url: str) -> bool:
    """Whether a URL is plain HTTP on this machine."""
    parts = web_address(url)
    return parts is not None and parts.scheme == "http" and is_here(parts.hostname or "")


def is_here(host: str) -> bool:
    """Whether a host's name or address is this machine's own; no name is looked up."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def fetch(url: str, most_bytes: int) -> bytes:
    """What a server on this machine has at a URL; NotFetched."""
    if not is_loopback(url):
        raise NotFetched(f"{url}: only repositories on this machine are reached")
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await _get(url, most_bytes)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
        raise NotFetched(f"{url}: {error}") from error


async def _get(url: str, most_bytes: int) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(b" ", 2)[1:2] != [b"200"]:
            raise NotFetched(head.partition(b"\r\n")[0].decode("latin-1"))
        return await _rest(reader, most_bytes)
    finally:
        writer.close()


async def _rest(reader: asyncio.StreamReader, most_bytes: int) -> bytes:
    body = bytearray()
    while piece := await reader.read(65536):
        body += piece
        if len(body) > most_bytes:
            raise NotFetched(f"more than {most_bytes} bytes")
    return bytes(body)
