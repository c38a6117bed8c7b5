"""The REST API on a socket: waitress, its own thread and its workers, beside the loop. Loopback only, unless asked otherwise.

May not know what the application does.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import threading
from typing import TYPE_CHECKING, Any

import waitress.server
from waitress import wasyncore

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SHUTDOWN_S = 5.0
CONNECTIONS = 8192
"""So many may be open at once: a thousand clients that never finish their requests leave room for the others."""
IDLE_S = 30
"""A connection that says nothing for so long is closed; one whose request is being answered is not."""
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where one that listens everywhere is found from here


def make_room_for_connections() -> None:
    """Let the process have as many open sockets as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class HttpServer:
    """One listening socket. It listens from the beginning; ``start`` begins to answer. ``port`` 0 takes any that is free."""

    def __init__(self, app: WSGIApplication, host: str, port: int, *, threads: int, body_limit_bytes: int) -> None:
        self._sockets: dict[int, Any] = {}
        self._server: Any = waitress.server.create_server(
            app,
            map=self._sockets,
            host=host,
            port=port,
            threads=threads,
            max_request_body_size=body_limit_bytes,
            connection_limit=CONNECTIONS,
            channel_timeout=IDLE_S,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            ident="inova",
        )
        self._thread = threading.Thread(target=self._server.run, name=f"api:{self.port}", daemon=True)
        self._host = host

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.effective_port)

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        host = _REACHABLE.get(self._host, self._host)
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    async def close(self) -> None:
        """Stop listening, let requests under way end for a while, close every connection. The loop goes on meanwhile."""
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
        """Runs on the server's own thread: without sockets its loop ends."""
        wasyncore.close_all(self._sockets, ignore_all=True)
