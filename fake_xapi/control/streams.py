"""Server-sent events: changes as they happen, at a bounded rate, for as long as somebody reads.

Each stream has a thread of the server, which asks the loop for the differences a few times a second. So nothing has to be queued for
a slow reader, who is told later, and more at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

from fake_xapi.control.errors import TooMany
from fake_xapi.control.live import MOST_WATCHERS, Event, Watcher
from fake_xapi.control.portal import Portal
from fake_xapi.control.simulation import Simulation

TICK_S = 0.25
"""The interval at which differences are sent."""
AT_ONCE = 1000
"""How many calls are sent at a time to whoever follows them all."""


class Streams:
    """The streams of one server."""

    def __init__(self, simulation: Simulation, portal: Portal) -> None:
        self._simulation = simulation
        self._portal = portal
        self._ending = threading.Event()
        self._places = threading.Semaphore(MOST_WATCHERS)

    def close(self) -> None:
        """End every stream at its next tick."""
        self._ending.set()

    def live(self) -> Iterator[bytes]:
        """Everything that the dashboard shows. Raises TooMany before anything is written."""
        watcher = self._portal.run(self._opened())
        return self._looking(watcher)

    def calls(self, **wanted: Any) -> Iterator[bytes]:
        """Each matching call as it ends. TooMany as above."""
        if not self._places.acquire(blocking=False):
            raise TooMany(f"{MOST_WATCHERS} follow the calls already; close one of them")
        return self._following(wanted)

    def _looking(self, watcher: Watcher) -> Iterator[bytes]:
        try:
            while not self._ending.wait(0 if watcher.is_new else TICK_S):
                yield b"".join(map(_written, self._portal.run(watcher.look())))
        finally:
            self._portal.run(self._left(watcher))

    def _following(self, wanted: dict[str, Any]) -> Iterator[bytes]:
        last, wanted = wanted["after"] or self._simulation.traffic.number, {**wanted, "limit": AT_ONCE}
        try:
            yield b": following\n\n"
            while not self._ending.wait(TICK_S):
                found = self._portal.run(self._calls({**wanted, "after": last}))
                last = found["last"]
                yield b"".join(_written(("call", call)) for call in found["calls"]) or b": nothing\n\n"
        finally:
            self._places.release()

    async def _opened(self) -> Watcher:
        return self._simulation.live.open()

    async def _left(self, watcher: Watcher) -> None:
        self._simulation.live.leave(watcher)

    async def _calls(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return self._simulation.calls(**wanted)


def _written(event: Event) -> bytes:
    name, content = event
    return f"event: {name}\ndata: {json.dumps(content, separators=(',', ':'))}\n\n".encode()
