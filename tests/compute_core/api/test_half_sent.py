"""Clients that begin a request and never end it leave room for the others."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from compute_core.api.server import HttpServer, make_room_for_connections

HALF_SENT = 1500


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def test_a_thousand_half_sent_requests_keep_nobody_out() -> None:
    make_room_for_connections()

    async def main() -> bytes:
        server = HttpServer(hello, "127.0.0.1", 0, threads=2, body_limit_bytes=1024)
        server.start()
        try:
            return await asyncio.to_thread(_asked_among_many, server)
        finally:
            await server.close()

    assert asyncio.run(main()) == b"hello"


def _asked_among_many(server: HttpServer) -> bytes:
    with ExitStack() as stack:
        for _ in range(HALF_SENT):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with urllib.request.urlopen(server.url, timeout=30) as reply:
            content: bytes = reply.read()
            return content
