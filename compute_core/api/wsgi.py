"""The REST API without a socket: requests are given to the WSGI application on the loop's own thread.

For rehearsals on virtual time and for tests. May not know what the application does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from compute_core.api.portal import in_greenlet

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` may carry a query; ``json`` wins over ``content``."""

    method: str
    path: str
    json: Any = None
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The bytes that are sent."""
        return self.content if self.json is None else json.dumps(self.json).encode()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The body as a JSON value, None when there is none."""
        return json.loads(self.content) if self.content else None


async def call_wsgi(app: WSGIApplication, request: Request, *, host: str = "inova.local") -> Reply:
    """Let the application answer on this thread, through a `GreenletPortal`."""
    return await in_greenlet(_answer, app, environ(request, host))


def environ(request: Request, host: str) -> WSGIEnvironment:
    """The request as PEP 3333 wants it."""
    url = urlsplit(request.path)
    body = request.body
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    content_type = headers.pop("HTTP_CONTENT_TYPE", "application/json" if request.json is not None else "")
    return {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(url.path).encode().decode("latin-1"),
        "QUERY_STRING": url.query,
        "SERVER_NAME": host,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": host,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **headers,
    }


def _answer(app: WSGIApplication, environment: WSGIEnvironment) -> Reply:
    began: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        began.append((status, headers))

    body = _read(app(environment, start_response))
    status, headers = began[-1]
    return Reply(int(status.split()[0]), {name.lower(): value for name, value in headers}, body)


def _read(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
