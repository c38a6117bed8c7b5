"""Simulated hosts without a wire: the core's ``Transport`` over the simulator's in-process one.

For virtual time. Faults have the same effects as on a wire: a dead host cannot be reached, a lost reply never comes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from compute_core.model.errors import ComputeError
from compute_core.xenapi.errors import NotSent, Redirected, ReplyLost, TransferFailed, XenApiFailure
from fake_xapi.datamodel.failure import Failure
from fake_xapi.fleet.fleet import Fleet
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Moved


class DirectTransport:
    """The transport to one host of a fleet, by its URL."""

    __slots__ = ("_address", "_fleet", "_port")

    def __init__(self, fleet: Fleet, url: str) -> None:
        parts = urlsplit(url)
        self._fleet, self._address, self._port = fleet, parts.hostname or "", parts.port or 80

    async def call(self, method: str, params: list[Any]) -> Any:
        """Make a call."""
        host = self._host(method)
        try:
            return await host.call(method, params)
        except Failure as failure:
            raise XenApiFailure(failure.details) from failure
        except ConnectionError as broken:
            raise ReplyLost(method, str(broken)) from broken

    async def put(self, path: str, query: Mapping[str, str], chunks: AsyncIterator[bytes], length: int) -> None:
        """Send bytes to an HTTP handler."""
        ended_early: list[ComputeError] = []
        try:
            await self._host(path).put(path, query, _as_a_wire_would(chunks, ended_early), length)
        except (Failure, BadRequest, ConnectionError) as problem:
            raise ended_early[0] if ended_early else TransferFailed(f"PUT {path}: {problem}") from problem
        except Moved as moved:
            raise Redirected(f"PUT {path}", moved.location) from moved

    async def get(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The bytes that an HTTP handler sends."""
        try:
            async for piece in self._host(path).get(path, query):
                yield piece
        except (Failure, BadRequest, ConnectionError) as problem:
            raise TransferFailed(f"GET {path}: {problem}") from problem
        except Moved as moved:
            raise Redirected(f"GET {path}", moved.location) from moved

    async def close(self) -> None:
        """Do nothing: nothing is open."""

    def _host(self, what: str) -> InProcess:
        try:
            xapi = self._fleet.xapi_at(self._address, self._port)
        except ConnectionRefusedError as refused:
            raise NotSent(what, str(refused)) from refused
        if xapi is None:
            raise NotSent(what, f"nobody is at {self._address}")
        return InProcess(xapi)


async def _as_a_wire_would(chunks: AsyncIterator[bytes], ended_early: list[ComputeError]) -> AsyncIterator[bytes]:
    """The chunks; a failing source ends them like a broken connection, and its reason is kept for the sender."""
    try:
        async for chunk in chunks:
            yield chunk
    except ComputeError as reason:
        ended_early.append(reason)
        raise BodyLost("the client went away") from reason
