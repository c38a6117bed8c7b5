"""A small fleet under control, on a paced loop of its own in a thread of its own, with the control plane on a real socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fake_xapi.control.guard import HEADER
from fake_xapi.control.server import ControlServer, controlled
from fake_xapi.engine.clock import Clock
from fake_xapi.engine.durations import profiles
from fake_xapi.engine.paced_time import PacedLoop
from fake_xapi.engine.settings import Settings
from fake_xapi.fleet.addresses import has_all_loopback
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served

T = TypeVar("T")
TIMEOUT_S = 60


class Answer(NamedTuple):
    """What the control plane answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The JSON of it."""
        return json.loads(self.content)


class Running(NamedTuple):
    """What runs in the thread."""

    loop: asyncio.AbstractEventLoop
    fleet: Fleet
    server: ControlServer
    stop: asyncio.Event


class Rig:
    """A client of the control plane, and a look inside."""

    def __init__(self, running: Running) -> None:
        self._running = running

    @property
    def port(self) -> int:
        """The control plane's."""
        return self._running.server.port

    @property
    def url(self) -> str:
        """The control plane's."""
        return self._running.server.url

    def xapi_url(self, number: int = 0) -> str:
        """A host's."""
        return list(self._running.fleet.sites())[number].url

    def in_loop(self, look: Callable[[Fleet], T]) -> T:
        """What a function of the fleet answers on its loop."""

        async def asked() -> T:
            return look(self._running.fleet)

        return asyncio.run_coroutine_threadsafe(asked(), self._running.loop).result(TIMEOUT_S)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request, as a client means it unless ``headers`` say otherwise."""
        usual = {HEADER: "1", **({"Content-Type": "application/json"} if body is not None else {})}
        sent = {name: value for name, value in {**usual, **(headers or {})}.items() if value}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """What a request that must succeed answers."""
        answer = self.ask(method, path, body)
        assert answer.status < 300, answer.content
        return answer.json if answer.content else None

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """The status and the sentence of a request that must not."""
        answer = self.ask(method, path, body)
        assert answer.status >= 400, answer.content
        return answer.status, answer.json["error"]["message"]


@contextmanager
def running(folder: Path, hosts: int = 3, *, pool_size: int = 1, profile: str = "realistic") -> Iterator[Rig]:
    """Such a fleet for the time of the block."""
    ready: Future[Running] = Future()
    order = Order(hosts, 7, port=0, has_own_addresses=has_all_loopback(), pool_size=pool_size)
    thread = threading.Thread(target=_run, args=(order, profile, folder, ready), daemon=True)
    thread.start()
    found = ready.result(TIMEOUT_S)
    try:
        yield Rig(found)
    finally:
        found.loop.call_soon_threadsafe(found.stop.set)
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def _run(order: Order, profile: str, folder: Path, ready: Future[Running]) -> None:
    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        fleet = Fleet(order, Settings(durations=profiles()[profile]), Clock(origin_s=loop.time()))
        try:
            async with served(fleet), controlled(fleet, 0, folder) as server:
                ready.set_result(Running(loop, fleet, server, stop))
                await stop.wait()
        finally:
            await fleet.close()

    try:
        with asyncio.Runner(loop_factory=PacedLoop) as runner:
            runner.run(main())
    finally:
        ready.cancel()  # only what never was ready
