"""How a simulated pool reaches another as its client: directly when both are in this process, over HTTP otherwise.

No other machine is ever contacted. May not know what is asked of the other pool.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.wire import escape, xml_value
from fake_xapi.datamodel.xml_values import MalformedXml, exactly, parse, value_of
from fake_xapi.dom0.disks import Disk, DiskStore
from fake_xapi.dom0.downloads import is_here
from fake_xapi.dom0.vhd_write import VhdImage
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.ports import Xapi
from fake_xapi.transports.transfers import BadRequest, Moved

CONNECT_S = 10.0
ANSWER_S = 3600.0
MOST_ANSWER_BYTES = 256 << 20
NO_UUID = UUID(int=0)


class Neighbour:
    """A pool in this process, at an address."""

    def __init__(self, address: str, xapi: Xapi) -> None:
        self._address = address
        self._xapi = xapi
        self._transport = InProcess(xapi)

    async def call(self, method: str, *params: Any) -> Any:
        """One call."""
        try:
            return await self._transport.call(method, list(params))
        except ConnectionError as error:
            raise unreachable(self._address) from error

    async def put(self, path: str, parameters: Mapping[str, str], pieces: AsyncIterator[bytes], length: int) -> bool:
        """Send bytes to a handler."""
        try:
            await self._transport.put(path, parameters, pieces, length)
        except ConnectionError as error:
            raise unreachable(self._address) from error
        except BadRequest as bad:
            raise bad.failure from bad
        except Moved:
            return False
        return True

    async def send_disk(self, session: str, vdi: str, disks: DiskStore, disk: Disk, check: Callable[[], None]) -> bool:
        """Hand a disk over at no cost where both keep their bytes in one place."""
        check()
        if self._xapi.disks.shares_bytes_with(disks):
            self._transport.import_disk(session, vdi, disk)
            return True
        return await put_disk(self.put, session, vdi, disks, disk, check)


class HttpRemote:
    """A pool reached over HTTP, at an address with or without a port; each request has a connection of its own."""

    def __init__(self, address: str, *, is_secure: bool = False) -> None:
        self._address = address
        self._is_secure = is_secure

    async def call(self, method: str, *params: Any) -> Any:
        """One XML-RPC call: every release since the first answers those."""
        values = "".join(f"<param>{xml_value(param)}</param>" for param in params)
        body = f"<?xml version='1.0'?><methodCall><methodName>{escape(method)}</methodName><params>{values}</params></methodCall>".encode()
        status, answer = await self._exchange("POST", "/RPC2", "text/xml", _once(body), len(body))
        if status != 200:
            raise unreachable(self._address)
        return _answered(answer, self._address)

    async def put(self, path: str, parameters: Mapping[str, str], pieces: AsyncIterator[bytes], length: int) -> bool:
        """Send bytes to a handler."""
        target = f"{path}?{urlencode(parameters)}"
        status, _ = await self._exchange("PUT", target, "application/octet-stream", pieces, length)
        return 200 <= status < 300

    async def send_disk(self, session: str, vdi: str, disks: DiskStore, disk: Disk, check: Callable[[], None]) -> bool:
        """Send a disk as a VHD."""
        return await put_disk(self.put, session, vdi, disks, disk, check)

    async def _exchange(self, method: str, target: str, kind: str, pieces: AsyncIterator[bytes], length: int) -> tuple[int, bytes]:
        try:
            reader, writer = await asyncio.wait_for(self._connected(), CONNECT_S)
            try:
                writer.write(request_head(method, target, self._address, kind, length))
                await _send(writer, pieces)
                return await asyncio.wait_for(_received(reader), ANSWER_S)
            finally:
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise unreachable(self._address) from error

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = split_address(self._address, 443 if self._is_secure else 80)
        if not is_here(host):
            raise ValueError(f"{host} is another machine")
        return await asyncio.open_connection(host, port, ssl=unverified() if self._is_secure else None)


def unreachable(address: str) -> Failure:
    """XAPI's failure for a host that does not answer."""
    return Failure("CANNOT_CONTACT_HOST", address)


def split_address(address: str, usual: int) -> tuple[str, int]:
    """Host and port of ``127.1.0.1``, ``127.1.0.1:8080`` and ``[::1]:8080``; ValueError for a bad port."""
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]") or (":" in host and not host.startswith("[")):
        return address.strip("[]"), usual
    return host.strip("[]"), int(port)


def unverified() -> ssl.SSLContext:
    """A TLS context without verification: pools do not know each other's certificates, and XAPI does not verify them either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def request_head(method: str, target: str, host: str, kind: str, length: int) -> bytes:
    """The head of a request with a connection of its own."""
    lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", f"Content-Type: {kind}", f"Content-Length: {length}", "Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


async def _send(writer: asyncio.StreamWriter, pieces: AsyncIterator[bytes]) -> None:
    """Send a body; a peer that refuses it before the end gives the reason in its answer."""
    try:
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()
    except (ConnectionResetError, BrokenPipeError):
        return


async def _received(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer."""
    status, length = await read_head(reader)
    if length > MOST_ANSWER_BYTES:
        raise ValueError(f"an answer of {length} bytes is too long")
    return status, await (reader.readexactly(length) if length >= 0 else _to_the_end(reader))


async def read_head(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Status and Content-Length of an answer, -1 when it states none; ValueError for a malformed answer."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status = first.split(" ")[1:2]
    if not status or not first.startswith("HTTP/1."):
        raise ValueError(f"{first[:40]!r} begins no answer")
    return int(status[0]), int(headers.get("content-length", -1))


async def _to_the_end(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while piece := await reader.read(1 << 20):
        content += piece
        if len(content) > MOST_ANSWER_BYTES:
            raise ValueError("an answer does not end")
    return content


def _answered(body: bytes, address: str) -> Any:
    """The value of an answer; raises the Failure in it."""
    try:
        [params] = exactly(parse(body), "methodResponse", "params")
        [param] = exactly(params, "params", "param")
        answer = value_of(exactly(param, "param", "value")[0])
    except MalformedXml as error:
        raise unreachable(address) from error
    if not isinstance(answer, dict) or answer.get("Status") != "Success":
        details = answer.get("ErrorDescription", []) if isinstance(answer, dict) else []
        raise Failure(*map(str, details)) if details else unreachable(address)
    return answer["Value"]


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


Put = Callable[[str, Mapping[str, str], AsyncIterator[bytes], int], Awaitable[bool]]


async def put_disk(put: Put, session: str, vdi: str, disks: DiskStore, disk: Disk, check: Callable[[], None]) -> bool:
    """Send a disk as a VHD, leaving out zeros; returns whether it was accepted."""
    image = VhdImage(disk.size, NO_UUID, disk.numbers(), lambda number: disks.block(disk, number), None)
    parameters = {"session_id": session, "vdi": vdi, "format": "vhd"}
    return await put("/import_raw_vdi", parameters, _checked(image.pieces(), check), len(image))


async def _checked(pieces: Iterator[bytes], check: Callable[[], None]) -> AsyncIterator[bytes]:
    for piece in pieces:
        check()
        yield piece
        await asyncio.sleep(0)
