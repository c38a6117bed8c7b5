"""From exchanges as they were seen to the lines of a recording, secrets taken out; what is large is read away from the loop.

May not know connections.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

from fake_xapi.replay.bodies import Answered, Asked, Unreadable, read_answered, read_asked, wire_of
from fake_xapi.replay.recording import Recorder
from fake_xapi.replay.secrets import HIDDEN, Scrubber, is_secret

LARGE = 256 << 10
"""Bodies beyond this are read in a thread: the loop goes on forwarding meanwhile."""
MOST_WAITING = 256
"""So many exchanges may wait to be written before whoever brings more has to wait."""
_HEADERS = frozenset({"content-type", "content-length", "transfer-encoding", "server", "www-authenticate", "location", "task-id"})
"""Headers that are kept; cookies and authorisations never are."""


@dataclass(frozen=True, slots=True)
class Body:
    """What travelled one way: ``content`` is None when it was not kept, because it is no call's or too large."""

    size: int = 0
    sha256: str = ""
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP request with its answer; ``lost`` says why there is none. ``took_s`` is up to the last byte."""

    at: str
    took_s: float
    method: str
    path: str
    query: str
    sent: Body
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    got: Body = field(default_factory=Body)
    lost: str = ""


class Notes:
    """Writes exchanges to a recorder one after the other, in the order in which they ended."""

    def __init__(self, recorder: Recorder, on_failure: Callable[[], None] | None = None) -> None:
        self._recorder = recorder
        self._on_failure = on_failure
        self._scrubber = Scrubber()
        self._waiting: asyncio.Queue[Exchange] = asyncio.Queue(MOST_WAITING)
        self._task: asyncio.Task[None] | None = None
        self.failed: OSError | None = None
        """Why nothing more is written."""

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.get_running_loop().create_task(self._write())

    async def put(self, exchange: Exchange) -> None:
        """Hand over an exchange; waits while too many others do."""
        await self._waiting.put(exchange)

    async def close(self) -> None:
        """Write what is still waiting, then stop."""
        if self._task is None:
            return
        if self.failed is None:
            await self._waiting.join()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _write(self) -> None:
        while True:
            exchange = await self._waiting.get()
            try:
                line = await self._line(exchange)
                if self.failed is None:
                    self._recorder.write(line)
            except OSError as error:
                self.failed = error
                if self._on_failure is not None:
                    self._on_failure()
            finally:
                self._waiting.task_done()

    async def _line(self, exchange: Exchange) -> dict[str, Any]:
        if (exchange.got.size + exchange.sent.size) > LARGE:
            return await asyncio.to_thread(self.line, exchange)
        return self.line(exchange)

    def line(self, exchange: Exchange) -> dict[str, Any]:
        """What is written of an exchange."""
        wire = wire_of(exchange.path) if exchange.method == "POST" else ""
        if not wire or exchange.sent.content is None:
            return self._transfer(exchange)
        try:
            asked = read_asked(wire, exchange.sent.content)
        except Unreadable as error:
            return {**self._transfer(exchange), "unreadable": str(error)[:200]}
        return self._call(exchange, wire, asked)

    def _call(self, exchange: Exchange, wire: str, asked: Asked) -> dict[str, Any]:
        line: dict[str, Any] = {
            "kind": "call", "at": exchange.at, "wire": wire, "session": self._scrubber.session_of(asked.method, asked.params),
            "method": asked.method, "params": self._scrubber.params(asked.method, asked.params), "took_s": round(exchange.took_s, 6),
            "bytes": exchange.got.size,
        }  # fmt: skip
        if exchange.lost:
            return {**line, "lost": exchange.lost}
        if exchange.status != 200:
            return {**line, "lost": f"HTTP {exchange.status}"}
        if exchange.got.content is None:
            return {**line, "lost": f"the answer is too large to be kept: {exchange.got.size} bytes, SHA-256 {exchange.got.sha256}"}
        try:
            return {**line, **self._came(asked, read_answered(wire, exchange.got.content))}
        except Unreadable as error:
            return {**line, "lost": f"the answer cannot be read: {str(error)[:200]}"}

    def _came(self, asked: Asked, answered: Answered) -> dict[str, Any]:
        if answered.error:
            return {"error": [self._scrubber.value(asked.method, part) for part in answered.error]}
        return {"result": self._scrubber.result(asked.method, answered.result)}

    def _transfer(self, exchange: Exchange) -> dict[str, Any]:
        """A handler's exchange: its head, and of the bodies what they measure."""
        query = dict(parse_qsl(exchange.query, keep_blank_values=True))
        named = {key: self._parameter(key, value) for key, value in query.items()}
        line = {
            "kind": "http", "at": exchange.at, "method": exchange.method, "path": self._scrubber.value("", exchange.path), "query": named,
            "took_s": round(exchange.took_s, 6), "status": exchange.status,
            "headers": {name: value for name, value in exchange.headers.items() if name in _HEADERS},
            "sent": {"bytes": exchange.sent.size, "sha256": exchange.sent.sha256},
            "got": {"bytes": exchange.got.size, "sha256": exchange.got.sha256},
        }  # fmt: skip
        return {**line, "lost": exchange.lost} if exchange.lost else line

    def _parameter(self, key: str, value: str) -> str:
        if key == "session_id":
            return self._scrubber.stand_in(value)
        return HIDDEN if is_secret(key, value) else cast(str, self._scrubber.value("", value))
