"""The server under test: its address, our account, and the connections to it.

Knows sockets, HTTP and the official client. May not know what the tests ask.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.parse
import xmlrpc.client  # the official client is built on it, and the server is the operator's own
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import XenAPI

REPLY_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, read to its end; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()


class _Transport(xmlrpc.client.Transport):
    """The official client's transport with a timeout, so that a server that never answers fails a test and not the run."""

    def __init__(self, *, is_https: bool, is_insecure: bool, hear: Callable[[object], None]) -> None:
        super().__init__()
        self._is_https = is_https
        self._is_insecure = is_insecure
        self._hear = hear

    def send_content(self, connection: http.client.HTTPConnection, request_body: Any) -> None:
        """Send a request, and report it to the listener."""
        self._hear(request_body)
        super().send_content(connection, request_body)

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """The kept connection to ``host``, or a new one."""
        kept: tuple[Any, http.client.HTTPConnection | None] = self._connection
        if kept[1] is not None and kept[0] == host:
            return kept[1]
        made = _connection(str(host), is_https=self._is_https, is_insecure=self._is_insecure)
        self._connection = host, made
        return made


def _connection(netloc: str, *, is_https: bool, is_insecure: bool) -> http.client.HTTPConnection:
    if not is_https:
        return http.client.HTTPConnection(netloc, timeout=REPLY_TIMEOUT_S)
    context = ssl._create_unverified_context() if is_insecure else ssl.create_default_context()  # noqa: S323, SLF001  # --insecure
    return http.client.HTTPSConnection(netloc, timeout=REPLY_TIMEOUT_S, context=context)


def _deaf(body: object) -> None:
    """Ignore a request."""
    del body


@dataclass(frozen=True, slots=True)
class Target:
    """A XenAPI server and the account that tests it. The password shows in no representation; ``hear`` is told of every request."""

    url: str
    user: str
    password: str = field(repr=False)
    template: str = ""
    is_insecure: bool = False
    hear: Callable[[object], None] = field(default=_deaf, repr=False, compare=False)

    @contextmanager
    def dialled(self) -> Iterator[Any]:
        """A client that has not logged in, closed at the end."""
        is_https = urllib.parse.urlsplit(self.url).scheme == "https"
        session = XenAPI.Session(self.url, transport=_Transport(is_https=is_https, is_insecure=self.is_insecure, hear=self.hear))
        try:
            yield session
        finally:
            session("close")()

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A client that is logged in; logged out and closed at the end, even when the test already logged it out."""
        with self.dialled() as session:
            session.login_with_password(self.user, self.password)
            reference = session.handle
            try:
                yield session
            finally:
                session.session.logout(reference)

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A plain HTTP connection."""
        parts = urllib.parse.urlsplit(self.url)
        connection = _connection(parts.netloc, is_https=parts.scheme == "https", is_insecure=self.is_insecure)
        try:
            yield connection
        finally:
            connection.close()

    def request(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """Send one request on a connection of its own and read the whole reply."""
        self.hear(body)
        with self.connection() as connection:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    def post_xml(self, body: str | bytes, path: str = "/") -> Reply:
        """POST an XML-RPC body unchanged."""
        raw = body.encode() if isinstance(body, str) else body
        return self.request("POST", path, raw, {"Content-Type": "text/xml"})


def call_body(method: str, *params: object) -> str:
    """The XML-RPC request of a call, as the standard library writes it."""
    return xmlrpc.client.dumps(tuple(params), method, allow_none=True)  # type: ignore[arg-type]  # any marshallable value


def answer_of(reply: Reply) -> Any:
    """The struct of Status and Value in an XML-RPC reply."""
    params, _ = xmlrpc.client.loads(reply.text)
    (answer,) = params
    return answer
