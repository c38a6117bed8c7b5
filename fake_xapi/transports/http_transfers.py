"""Transfers over HTTP: from a request's head to its handler, and from the answer to the bytes on the wire.

May not know what a handler does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from fake_xapi.datamodel.failure import Failure
from fake_xapi.transports.http_replies import HTML, page, reply_head, talk_head
from fake_xapi.transports.ports import Xapi
from fake_xapi.transports.requests import Head
from fake_xapi.transports.streams import BodyLost, BodyStream
from fake_xapi.transports.transfers import BadRequest, Handler, Talk, TransferAnswer, TransferRequest

_STATUSES: Mapping[str, int] = {
    "RBAC_PERMISSION_DENIED": 403,
    "SESSION_INVALID": 401,
    "SESSION_AUTHENTICATION_FAILED": 401,
    "HANDLE_INVALID": 404,
    "UUID_INVALID": 404,
}
"""The HTTP status for a Failure; for any other it is 500."""

Drained = Callable[[], "asyncio.Future[None] | None"]
"""What to await before writing more, None when nothing."""


async def serve_transfer(
    handler: Handler, xapi: Xapi, head: Head, body: BodyStream, transport: asyncio.WriteTransport, drained: Drained
) -> bool:
    """Run one transfer, send its answer, and say whether the connection may go on.

    ConnectionError when the client went away or the transfer broke off.
    """
    parameters = head.parameters()
    credential = parameters.get("session_id") or head.pool_secret() or head.basic_auth()
    try:
        answer = await handler(TransferRequest(xapi, parameters, credential, body, body.length, head.named_headers(), head.path))
    except Failure as failure:
        status = _STATUSES.get(failure.code, 500)
        headers = [("WWW-Authenticate", f'Basic realm="{xapi.personality.name}"')] if status == 401 else []
        _write(transport, _page(status, " ".join(failure.details), headers, keep_alive=head.keep_alive and body.is_complete))
    except BadRequest as bad:
        _write(transport, _page(bad.status, bad.text, [], keep_alive=head.keep_alive and body.is_complete))
    else:
        if answer.talk is not None:
            await _talk(answer, answer.talk, body, transport, drained)
            return False
        keep_alive = head.keep_alive and answer.length is not None and body.is_complete
        start = reply_head(answer.status, answer.headers, keep_alive=keep_alive, length=answer.length)
        await _send(start, answer.pieces, transport, drained)
        return keep_alive
    return head.keep_alive


async def _talk(answer: TransferAnswer, talk: Talk, body: BodyStream, transport: asyncio.WriteTransport, drained: Drained) -> None:
    """Let both sides talk until one of them ends it."""
    _write(transport, talk_head(answer.status, answer.headers))
    with contextlib.suppress(BodyLost, ConnectionError):
        await talk(_Client(body, transport, drained))


@dataclass(frozen=True, slots=True)
class _Client:
    """The client of a talk, at the other end of a connection."""

    pieces: BodyStream
    transport: asyncio.WriteTransport
    drained: Drained

    @property
    def is_slow(self) -> bool:
        """Whether it has not yet read what it was sent."""
        return self.drained() is not None

    def send(self, content: bytes) -> None:
        """Send something to it."""
        if content:
            _write(self.transport, content)


async def _send(start: bytes, pieces: Iterator[bytes], transport: asyncio.WriteTransport, drained: Drained) -> None:
    try:
        first = next(pieces, b"")  # Before anything is written: pieces that were never begun would not hear that nobody reads them.
        for piece in chain((start, first), pieces):
            _write(transport, piece)
            await (drained() or asyncio.sleep(0))
    except Failure as failure:
        raise ConnectionAbortedError(failure.code) from failure
    finally:
        _close(pieces)


def _write(transport: asyncio.WriteTransport, content: bytes) -> None:
    """Write to a client that is still connected: uvloop's transports raise where asyncio's discard."""
    if transport.is_closing():
        raise ConnectionResetError("the client is gone")
    transport.write(content)


def _close(pieces: Iterator[bytes]) -> None:
    """Close a generator that nobody reads any more."""
    close = getattr(pieces, "close", None)
    if close is not None:
        close()


def _page(status: int, text: str, headers: list[tuple[str, str]], *, keep_alive: bool) -> bytes:
    body = page(status, text)
    return reply_head(status, [HTML, *headers], keep_alive=keep_alive, length=len(body)) + body
