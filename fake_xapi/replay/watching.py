"""Reads along on a connection: which requests pass, which answers belong to them, what each body measures.

Only looks: what it cannot read it lets pass unseen. May not know sockets, nor what a call means.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import httptools

from fake_xapi.replay.bodies import RPC_PATHS
from fake_xapi.replay.notes import Body, Exchange

MOST_KEPT = 64 << 20
"""A larger body is measured and not kept."""
NO_ANSWER = "the server closed the connection before it answered"
CLIENT_LEFT = "the client left before the answer came"
_NO_HTTP = (httptools.HttpParserError, httptools.HttpParserUpgrade)
"""Another protocol from here on, or no HTTP at all."""
Now = Callable[[], float]
Seen = Callable[[Exchange], None]


@dataclass(slots=True)
class _Growing:
    """A body as it passes."""

    is_kept: bool
    size: int = 0
    pieces: list[bytes] = field(default_factory=list)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.digest.update(piece)
        if self.is_kept and self.size > MOST_KEPT:
            self.is_kept = False
            self.pieces.clear()
        if self.is_kept:
            self.pieces.append(piece)

    def whole(self) -> Body:
        return Body(self.size, self.digest.hexdigest() if self.size else "", b"".join(self.pieces) if self.is_kept else None)


@dataclass(slots=True)
class _Open:
    """A request whose answer has not come to its end."""

    began: float
    method: str
    path: str
    query: str
    sent: _Growing


class Requests:
    """Httptools' callbacks for what a client sends."""

    def __init__(self, now: Now) -> None:
        self.open: deque[_Open] = deque()
        self.last: _Open | None = None
        self._now = now
        self._began = 0.0
        self._url = b""
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._began, self._url = self._now(), b""

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url

    def on_headers_complete(self) -> None:
        """The head is whole."""
        method = self.parser.get_method().decode("latin-1")
        path, _, query = self._url.decode("latin-1").partition("?")
        self.last = _Open(self._began, method, path, query, _Growing(method == "POST" and path in RPC_PATHS))
        self.open.append(self.last)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self.last is not None:
            self.last.sent.add(piece)


class Answers:
    """Httptools' callbacks for what a server sends; an interim answer is none."""

    def __init__(self, answered: Callable[[int, dict[str, str], _Growing], None], is_call: Callable[[], bool]) -> None:
        self._answered = answered
        self._is_call = is_call
        self.headers: dict[str, str] = {}
        self.body: _Growing | None = None
        self.status = 0
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        """The first byte of an answer."""
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.status = self.parser.get_status_code()
        self.body = _Growing(self._is_call())

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self.body is not None:
            self.body.add(piece)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self.end()

    def end(self) -> None:
        """An answer without a length ends with its connection."""
        if self.body is not None and (self.status >= 200 or self.status == 101):
            self._answered(self.status, self.headers, self.body)
        self.body = None


class Watch:
    """One connection. ``seen`` is told each exchange when it has ended; ``date`` and ``now`` are the clock."""

    def __init__(self, seen: Seen, date: Callable[[], str], now: Now) -> None:
        self._seen = seen
        self._date = date
        self._now = now
        self._requests = Requests(now)
        self._answers = Answers(self._answered, self._is_call)
        self._is_blind = False

    def client_sent(self, piece: bytes) -> None:
        """Bytes on their way to the server."""
        if not self._is_blind:
            try:
                self._requests.parser.feed_data(piece)
            except _NO_HTTP:
                self._is_blind = True

    def server_sent(self, piece: bytes) -> None:
        """Bytes on their way to the client. What follows an answer without a body to HEAD, or to CONNECT, is not looked at."""
        if not self._requests.open:
            return
        try:
            self._answers.parser.feed_data(piece)
        except _NO_HTTP:
            self._is_blind = True
        if self._requests.open and self._requests.open[0].method in ("HEAD", "CONNECT") and self._answers.body is not None:
            self._is_blind = True
            self._answers.end()

    def end(self, why: str) -> None:
        """The connection is gone: what is not answered will not be. An answer that was under way without a length has ended."""
        if self._is_cut():
            why = "the answer broke off"
        else:
            self._answers.end()
        while self._requests.open:
            self._tell(self._requests.open.popleft(), lost=why)

    def _is_cut(self) -> bool:
        """Whether an answer says that there is more to come of it."""
        said = self._answers.headers
        if self._answers.body is None:
            return False
        return "chunked" in said.get("transfer-encoding", "") or int(said.get("content-length", 0)) > self._answers.body.size

    def _is_call(self) -> bool:
        return bool(self._requests.open) and self._requests.open[0].sent.is_kept

    def _answered(self, status: int, headers: dict[str, str], body: _Growing) -> None:
        if self._requests.open:
            self._tell(self._requests.open.popleft(), status, headers, body.whole())

    def _tell(self, asked: _Open, status: int = 0, headers: dict[str, str] | None = None, got: Body = Body(), lost: str = "") -> None:  # noqa: B008
        took = self._now() - asked.began
        self._seen(
            Exchange(self._date(), took, asked.method, asked.path, asked.query, asked.sent.whole(), status, headers or {}, got, lost)
        )
