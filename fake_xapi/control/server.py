"""The control plane on a loopback socket: waitress with its own thread and workers, beside the simulation's loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import waitress.server
from waitress import wasyncore

from fake_xapi.control.app import BODY_BYTES, create_app
from fake_xapi.control.live import MOST_WATCHERS
from fake_xapi.control.portal import Portal
from fake_xapi.control.simulation import Simulation
from fake_xapi.control.streams import Streams
from fake_xapi.fleet.fleet import Fleet

ADDRESS = "127.0.0.1"
WORKERS = 8
"""Threads for requests; each stream has one more."""
SHUTDOWN_S = 5.0


class ControlServer:
    """One listening socket. It listens from the beginning; ``start`` makes it answer. ``port`` 0 takes any free one."""

    def __init__(self, simulation: Simulation, port: int) -> None:
        portal = Portal(asyncio.get_running_loop())
        self.simulation = simulation
        self._streams = Streams(simulation, portal)
        self._sockets: dict[int, Any] = {}
        self._server: Any = waitress.server.create_server(
            create_app(simulation, portal, self._streams, lambda: self.port),
            map=self._sockets,
            host=ADDRESS,
            port=port,
            threads=WORKERS + 2 * MOST_WATCHERS,
            max_request_body_size=BODY_BYTES,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            ident="inova",
        )
        self._thread = threading.Thread(target=self._server.run, name=f"control:{self.port}", daemon=True)

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._server.effective_port)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://{ADDRESS}:{self.port}"

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    async def close(self) -> None:
        """Stop listening, give requests under way some time, then close every connection. The loop keeps running meanwhile."""
        self._streams.close()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=SHUTDOWN_S)
        if self._thread.is_alive():
            with contextlib.suppress(OSError):  # the thread was awake already, and has closed what would have woken it
                self._server.trigger.pull_trigger(self._close_sockets)
            self._thread.join(SHUTDOWN_S)
        else:
            self._close_sockets()

    def _close_sockets(self) -> None:
        """Close all sockets, on the server's own thread: without them its loop ends."""
        wasyncore.close_all(self._sockets, ignore_all=True)


@asynccontextmanager
async def controlled(fleet: Fleet, port: int, folder: Path | None = None) -> AsyncIterator[ControlServer]:
    """Control a fleet over HTTP for the duration of the block. OSError when the port is taken."""
    simulation = Simulation(fleet, folder)
    try:
        server = ControlServer(simulation, port)
        server.start()
        try:
            yield server
        finally:
            await server.close()
    finally:
        simulation.close()
