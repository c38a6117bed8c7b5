"""A simulated XAPI as a transport of the core's sessions: every request is recorded, and any may be refused, lost or held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from compute_core.model.errors import ComputeError
from compute_core.xenapi.errors import NotSent, Redirected, ReplyLost, TransferFailed, XenApiFailure
from compute_core.xenapi.session import Account, Login, Session
from fake_xapi.datamodel.failure import Failure
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.ports import Xapi
from fake_xapi.transports.streams import BodyLost
from fake_xapi.transports.transfers import BadRequest, Moved

Disturbance = Callable[[str, int], Coroutine[Any, Any, None] | None]
"""Told a request's name and its number, counted from 1; awaited before the request is done, so that it may raise or wait."""


@dataclass
class Wire:
    """The in-process transport, in the terms of the core's port."""

    xapi: Xapi
    requests: list[str] = field(default_factory=list)
    before: Disturbance | None = None
    during: Disturbance | None = None
    after: Disturbance | None = None

    async def call(self, method: str, params: list[Any]) -> Any:
        number = await self._begin(method)
        try:
            value = await InProcess(self.xapi).call(method, params)
        except Failure as failure:
            await self._disturb(self.after, method, number)
            raise XenApiFailure(failure.details) from failure
        await self._disturb(self.after, method, number)
        return value

    async def put(self, path: str, query: Mapping[str, str], chunks: AsyncIterator[bytes], length: int) -> None:
        number = await self._begin(f"PUT {path}")
        ended_early: list[Exception] = []

        async def as_a_connection_would() -> AsyncIterator[bytes]:
            try:
                async for chunk in self._halting(chunks, f"PUT {path}", number):
                    yield chunk
            except (ComputeError, TransferFailed) as refusal:
                ended_early.append(refusal)
                raise BodyLost("the client went away") from refusal

        try:
            await InProcess(self.xapi).put(path, query, as_a_connection_would(), length)
        except (Failure, BadRequest) as failure:
            raise (ended_early or [TransferFailed(f"PUT {path}: {failure}")])[0] from failure
        except Moved as moved:
            raise Redirected(f"PUT {path}", moved.location) from moved
        await self._disturb(self.after, f"PUT {path}", number)

    async def get(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        number = await self._begin(f"GET {path}")
        try:
            async with aclosing(cast("AsyncGenerator[bytes, None]", InProcess(self.xapi).get(path, query))) as chunks:
                async for chunk in self._halting(chunks, f"GET {path}", number):
                    yield chunk
        except GeneratorExit:  # whoever asked has seen enough
            await self._disturb(self.after, f"GET {path}", number)
            raise
        except (Failure, BadRequest) as failure:
            raise TransferFailed(f"GET {path}: {failure}") from failure
        except Moved as moved:
            raise Redirected(f"GET {path}", moved.location) from moved
        await self._disturb(self.after, f"GET {path}", number)

    async def close(self) -> None:
        pass

    async def _halting(self, chunks: AsyncIterator[bytes], name: str, number: int) -> AsyncIterator[bytes]:
        """The chunks; disturbed in the middle of the first one."""
        is_first = True
        async for chunk in chunks:
            half = len(chunk) // 2 if is_first else 0
            if is_first:
                yield chunk[:half]
                await self._disturb(self.during, name, number)
            is_first = False
            yield chunk[half:]

    async def _begin(self, name: str) -> int:
        self.requests.append(name)
        number = len(self.requests)
        await self._disturb(self.before, name, number)
        return number

    async def _disturb(self, disturbance: Disturbance | None, name: str, number: int) -> None:
        waiting = disturbance(name, number) if disturbance is not None else None
        if waiting is not None:
            await waiting


def session_over(wire: Wire, url: str = "http://127.0.0.1") -> Session:
    return Session(Login(Account(url, "root", "xenroot"), lambda _: wire))


def loses_reply(at: int) -> Disturbance:
    """The answer to the request of that number is lost; what it asked for is done."""

    def disturb(name: str, number: int) -> None:
        if number == at:
            raise (TransferFailed(f"{name}: lost") if name.startswith(("PUT", "GET")) else ReplyLost(name, "lost by the test"))

    return disturb


def refuses(at: int, *details: str) -> Disturbance:
    """The request of that number is refused."""

    def disturb(_: str, number: int) -> None:
        if number == at:
            raise XenApiFailure(details)

    return disturb


def refuses_once(method: str, *details: str) -> Disturbance:
    """The first request of that name is refused."""
    refused: list[str] = []

    def disturb(name: str, _: int) -> None:
        if name == method and not refused:
            refused.append(name)
            raise XenApiFailure(details)

    return disturb


def is_dead(since: int) -> Disturbance:
    """From that request on, nobody is there."""

    def disturb(name: str, number: int) -> None:
        if number >= since:
            raise NotSent(name, "nobody is there")

    return disturb


def holds(at: int, arrived: asyncio.Event) -> Disturbance:
    """The request of that number is done, and its answer never comes."""

    async def wait() -> None:
        arrived.set()
        await asyncio.get_running_loop().create_future()

    return lambda _, number: wait() if number == at else None
