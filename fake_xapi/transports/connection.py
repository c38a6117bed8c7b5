"""One client's connection: requests in, replies out, both in order. The hot path of the simulator.

A call that need not wait is answered before ``data_received`` returns; one that waits becomes a task. May not know what a call means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools

from fake_xapi.transports.calls import Later, Reply, answer_call
from fake_xapi.transports.http_replies import CONTINUE, HTML, OPTIONS_HEADERS, page, reply_head
from fake_xapi.transports.http_transfers import serve_transfer
from fake_xapi.transports.ports import Router, Xapi
from fake_xapi.transports.requests import Codecs, Head
from fake_xapi.transports.streams import BodyLost, BodyStream
from fake_xapi.transports.transfers import TALKS, Handler, Handlers, find_handler
from fake_xapi.transports.turns import Turn, Turns

_LOOPBACK = "127."
_LINGER_S = 2.0
"""How long a refused client may go on sending, so that it can read the reason instead of a reset."""
_WAITS_FOR_EVENTS = frozenset({"event.from", "event_from", "event.next", "event_next"})
"""Calls that end when their client goes; every other runs to its end, as in XAPI, and only its reply is lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what a client may demand of a connection."""

    rpc_body_bytes: int = 300 << 10
    head_bytes: int = 32 << 10
    pipelined_requests: int = 16
    request_timeout_s: float = 60.0
    idle_timeout_s: float = 600.0


@dataclass(slots=True)
class Site:
    """What all connections of a server share."""

    router: Router
    codecs: Mapping[str, Codecs]
    handlers: Handlers
    limits: Limits
    connections: set[Connection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Connection(asyncio.Protocol):
    """The protocol of one accepted connection."""

    def __init__(self, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        self._site = site
        self._loop = loop
        self._time = getattr(loop, "real_time", loop.time)  # a client is on the real clock, however the loop's own time is paced
        self._call_later = getattr(loop, "call_later_really", loop.call_later)
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._turns = Turns(loop, site.tasks, site.limits.pipelined_requests, self._idle)
        self._address, self._port = "", 0
        self._is_ending = False
        self._is_in_head = False
        self._is_unparsed = False
        self._head_bytes = 0
        self._began = 0.0
        self._last_active = 0.0
        self._timer: asyncio.Handle | None = None
        self._stream: BodyStream | None = None
        self.on_message_begin()

    # ---- the loop's side --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection over loopback to the address of a living host."""
        self._transport = cast(asyncio.Transport, transport)
        self._turns.connect(self._transport)
        self._site.connections.add(self)
        self._address, self._port = transport.get_extra_info("sockname")[:2]
        if not self._address.startswith(_LOOPBACK) or self._xapi() is None:
            self.drop()
            return
        self._began, self._last_active = 0.0, self._time()
        self._check_time()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Release everything; a call that waits for events ends, other work goes on."""
        self._is_ending = True
        self._site.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._turns.forget()
        self._lose_body("the client closed the connection in the middle of a body")
        if self._turns.task is not None and self._turns.call in _WAITS_FOR_EVENTS:
            self._loop.call_soon(self._turns.task.cancel)

    def data_received(self, data: bytes) -> None:
        """Parse what came; calls are answered from within the parser's callbacks."""
        if self._is_ending:
            return
        self._last_active = self._time()
        self._head_bytes += len(data)
        try:
            if self._is_unparsed:
                self._take_unparsed(data)
            else:
                self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._take_unparsed(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(400, str(error))
        if self._is_in_head and self._head_bytes > self._site.limits.head_bytes:
            self._refuse(431, "The head of the request is too long")

    def eof_received(self) -> bool:
        """Still reply to a client that has only stopped sending, unless it waits for events."""
        self._is_ending = True
        self._lose_body("the client stopped in the middle of a body")
        may_half_close = self._transport.can_write_eof()  # TLS ends both ways at once
        return may_half_close and self._turns.task is not None and self._turns.call not in _WAITS_FOR_EVENTS

    def pause_writing(self) -> None:
        """The client reads more slowly than we write: begin nothing new for it."""
        self._turns.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._last_active = self._time()
        self._turns.resume()

    # ---- the parser's side ------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._length: int | None = None
        self._expects_continue = False
        self._is_talk = False
        self._is_in_head = True
        self._began = self._last_active

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name, value))
        size = len(name)
        if size == 14 and name.lower() == b"content-length":
            self._length = int(value)
        elif size == 6 and name.lower() == b"expect":
            self._expects_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Decide how the body is taken: a transfer's as a stream, any other whole, within the limit."""
        self._is_in_head = False
        if self._is_ending:
            return
        method, path = self._parser.get_method(), self._url.partition(b"?")[0]
        handler = find_handler(self._site.handlers, method, path)
        if handler is not None:
            self._is_talk = self._parser.should_upgrade() and path in TALKS
            self._open_stream(handler)
        elif self._length is not None and self._length > self._site.limits.rpc_body_bytes:
            self._refuse(413, "The request is too large")
        elif self._expects_continue:
            self._transport.write(CONTINUE)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self._is_ending:
            return
        self._body_bytes += len(piece)
        if self._stream is not None:
            self._stream.feed(piece)
            return
        self._body.append(piece)
        if self._body_bytes > self._site.limits.rpc_body_bytes:
            self._refuse(413, "The request is too large")

    def on_message_complete(self) -> None:
        """The parser is done; the body of a client that wants another protocol is still to come."""
        self._is_unparsed = self._parser.should_upgrade()
        if not (self._is_unparsed and (self._length or self._is_talk)):
            self._complete()

    def _take_unparsed(self, data: bytes) -> None:
        """Continue a talk; where the wish for another protocol was not granted, read the request's body and nothing more."""
        if self._is_talk:
            self._talk_on(data)
            return
        left = (self._length or 0) - self._body_bytes
        if left > 0:
            self.on_body(data[:left])
            if self._body_bytes == self._length:
                self._complete()

    def _talk_on(self, data: bytes) -> None:
        if self._stream is not None and data:
            self._stream.feed(data)

    def _complete(self) -> None:
        """Answer the request, or wait for its turn."""
        self._began = 0.0
        self._head_bytes = 0
        if self._stream is not None:
            self._stream.end()
            self._stream = None
        elif not self._is_ending:
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            head = self._head()
            if self._turns.is_free:
                self._answer(head, body)
            else:
                self._turns.now_or_later(lambda: self._answer(head, body))

    # ---- calls and pages --------------------------------------------------------------------------------------------------

    def _answer(self, head: Head, body: bytes) -> None:
        xapi = self._xapi()
        if xapi is None:
            self.drop()
            return
        codecs = self._site.codecs.get(head.path) if head.method == b"POST" else None
        codec = codecs.get(xapi.personality.era) if codecs is not None else None
        if codec is None:
            self._send(self._page(head, xapi))
            return
        try:
            answer = answer_call(codec, xapi, body, keep_alive=head.keep_alive)
        except ConnectionError:
            self.drop()
            return
        if isinstance(answer, Later):
            self._turns.start(answer.method, self._answer_later(answer))
        else:
            self._send(answer)

    async def _answer_later(self, later: Later) -> None:
        try:
            self._send(await later.reply)
        except ConnectionError:
            self.drop()

    def _send(self, reply: Reply) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply.content)
            if not reply.keep_alive:
                self._is_ending = True
                self._transport.close()

    def _page(self, head: Head, xapi: Xapi) -> Reply:
        """Answer OPTIONS from browsers, the page at ``/``, and 404 for everything else."""
        if head.method == b"OPTIONS" and head.path in self._site.codecs:
            return Reply(reply_head(200, OPTIONS_HEADERS, keep_alive=head.keep_alive, length=0), head.keep_alive)
        is_found = head.path == "/" and head.method in (b"GET", b"HEAD")
        body = page(200, f"Simulated XenServer {xapi.personality.name}") if is_found else page(404)
        start = reply_head(200 if is_found else 404, [HTML], keep_alive=head.keep_alive, length=len(body))
        return Reply(start if head.method == b"HEAD" else start + body, head.keep_alive)

    # ---- transfers --------------------------------------------------------------------------------------------------------

    def _open_stream(self, handler: Handler) -> None:
        head = self._head()
        self._stream = stream = BodyStream(None if self._is_talk else self._length, self._turns.hold, self._turns.release)
        if self._expects_continue:
            stream.on_first_read(lambda: self._transport.write(CONTINUE))
        self._turns.now_or_later(lambda: self._transfer(handler, head, stream))

    def _transfer(self, handler: Handler, head: Head, body: BodyStream) -> None:
        xapi = self._xapi()
        if xapi is None:
            self.drop()
        else:
            self._turns.start(head.path, self._run_transfer(handler, xapi, head, body))

    async def _run_transfer(self, handler: Handler, xapi: Xapi, head: Head, body: BodyStream) -> None:
        keep_alive = False
        try:
            keep_alive = await serve_transfer(handler, xapi, head, body, self._transport, lambda: self._turns.drained)
        except ConnectionError:
            self.drop()
        if not body.is_complete:
            self._linger()
        elif not keep_alive:
            self._is_ending = True

    def _lose_body(self, reason: str) -> None:
        if self._stream is not None:
            self._stream.lose(BodyLost(reason))

    # ---- ends -------------------------------------------------------------------------------------------------------------

    def drop_if_dead(self) -> None:
        """Close at once if the host has died in the meantime."""
        if self._xapi() is None:
            self.drop()

    def drop(self) -> None:
        """Close at once, without a reply."""
        self._is_ending = True
        self._transport.abort()

    def _refuse(self, status: int, text: str) -> None:
        """Refuse a malformed request, unless earlier ones are still being answered, and close."""
        if self._is_ending:
            return
        self._is_ending = True
        self._lose_body(text)
        if self._turns.is_free:
            body = page(status, text)
            self._transport.write(reply_head(status, [HTML], keep_alive=False, length=len(body)) + body)
            self._linger()

    def _linger(self) -> None:
        """Accept nothing more, but let the client read what was written before closing."""
        self._is_ending = True
        if not self._transport.is_closing():
            self._turns.read_on()
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._restart_timer(_LINGER_S, self.drop)

    def _idle(self) -> None:
        """Close a connection that is ending, now that everything is answered."""
        if self._is_ending and not self._transport.is_closing():
            self._transport.close()

    def _check_time(self) -> None:
        """Close a connection that is idle, or whose client is too slow; otherwise check again at the earliest time that it could be."""
        deadline = self._deadline()
        left = deadline - self._time()
        if left > 0:
            self._restart_timer(left, self._check_time)
        elif self._began and self._stream is None:
            self._refuse(408, "The request did not arrive in time")
        else:
            self.drop()

    def _deadline(self) -> float:
        limits = self._site.limits
        if self._stream is None and self._began:
            return self._began + limits.request_timeout_s
        is_waiting_for_us = self._turns.task is not None and (self._stream is None or self._is_talk) and self._turns.drained is None
        return (self._time() if is_waiting_for_us else self._last_active) + limits.idle_timeout_s

    def _restart_timer(self, delay_s: float, then: Turn) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._call_later(delay_s, then)

    # ---- the request at hand ----------------------------------------------------------------------------------------------

    def _head(self) -> Head:
        path, _, query = self._url.partition(b"?")
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        return Head(self._parser.get_method(), path.decode("latin-1"), query, self._headers, keep_alive)

    def _xapi(self) -> Xapi | None:
        try:
            return self._site.router.xapi_at(self._address, self._port)
        except ConnectionRefusedError:
            return None
