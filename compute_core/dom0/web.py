"""HTTP as the plugin needs it: a body that comes as a stream, and one that goes as a stream. Redirections are not followed."""

import contextlib
import http.client
import socket
import ssl
import zlib
from typing import Any, Dict, Iterator, NamedTuple, Optional
from urllib.parse import urlsplit

from compute_core.dom0 import arguments
from compute_core.dom0.refusal import BAD_ARGUMENTS, DENIED, NOT_FOUND, RETRYABLE, Arguments, Refusal, bad_image

_PIECE = 1 << 20
_MOST_SAID = 300
_KINDS = {401: DENIED, 403: DENIED, 404: NOT_FOUND, 410: NOT_FOUND, 408: RETRYABLE, 425: RETRYABLE, 429: RETRYABLE}


class Place(NamedTuple):
    """Where something is fetched from or sent to."""

    url: str
    headers: Dict[str, str]
    ca_file: str
    timeout_s: float

    @property
    def shown(self) -> str:
        """The URL as errors may show it: what follows a question mark may be a key."""
        return self.url.partition("?")[0]


def place_of(given: Arguments) -> Place:
    """``url``, ``headers``, ``ca_file`` (of dom0, "" for the system's) and ``timeout_s`` of silence."""
    url = arguments.text(given, "url")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or "\n" in url or " " in url:
        raise arguments.bad("url", "is no http or https URL without a user")
    return Place(url, arguments.texts(given, "headers"), arguments.text(given, "ca_file", ""), arguments.seconds(given, "timeout_s", 60.0))


@contextlib.contextmanager
def exchange(
    method: str, place: Place, body: Optional[Iterator[bytes]] = None, length: Optional[int] = None
) -> Iterator[http.client.HTTPResponse]:
    """The answer to a request, when it is a good one. Refusal DENIED, NOT_FOUND, RETRYABLE or BAD_ARGUMENTS for any other."""
    connection = _connection(place)
    try:
        answer = _asked(connection, method, place, body, length)
        if not 200 <= answer.status < 300:
            raise _refusal(method, place, answer)
        yield answer
    except (ConnectionError, socket.timeout, http.client.HTTPException) as problem:
        raise Refusal(RETRYABLE, f"{method} {place.shown}: {problem!r}") from problem
    finally:
        connection.close()


def _asked(
    connection: http.client.HTTPConnection, method: str, place: Place, body: Optional[Iterator[bytes]], length: Optional[int]
) -> http.client.HTTPResponse:
    """Send a request; who answers before having read all of it, and goes away, is heard all the same."""
    sized = {} if length is None else {"Content-Length": str(length)}
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            is_chunked = length is None and body is not None
            connection.request(method, _target(place), body=body, headers={**place.headers, **sized}, encode_chunked=is_chunked)
        return connection.getresponse()
    except ssl.SSLError as problem:  # some of which are ValueErrors too
        raise Refusal(DENIED, f"{method} {place.shown}: {problem}") from problem
    except ValueError as problem:
        raise Refusal(BAD_ARGUMENTS, f"{method} {place.shown}: {problem}") from problem
    except OSError as problem:
        raise Refusal(RETRYABLE, f"{method} {place.shown}: {problem}") from problem


def _connection(place: Place) -> http.client.HTTPConnection:
    parts = urlsplit(place.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=place.timeout_s)
    trust = ssl.create_default_context(cafile=place.ca_file or None)
    return http.client.HTTPSConnection(host, parts.port, timeout=place.timeout_s, context=trust)


def _target(place: Place) -> str:
    parts = urlsplit(place.url)
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")


def _refusal(method: str, place: Place, answer: http.client.HTTPResponse) -> Refusal:
    said = answer.read(_MOST_SAID).decode("utf-8", "replace").strip()
    kind = _KINDS.get(answer.status, RETRYABLE if answer.status >= 500 else BAD_ARGUMENTS)
    return Refusal(kind, f"{method} {place.shown}: {answer.status} {answer.reason} {said}".strip())


def pieces_of(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it comes. Refusal RETRYABLE when it ends before its length."""
    left = answer.length
    while True:
        piece = answer.read(_PIECE)
        if not piece:
            break
        left = None if left is None else left - len(piece)
        yield piece
    if left:
        raise Refusal(RETRYABLE, f"the connection ended {left} bytes too early")


# ---- gzip ------------------------------------------------------------------------------------------------------------------------


def unpacked(pieces: Iterator[bytes], first: bytes) -> Iterator[bytes]:
    """The bytes in a stream that is gzip's when ``first``, its beginning, says so; a few at a time, however small they were packed."""
    return _gunzipped(pieces) if first.startswith(b"\x1f\x8b") else pieces


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    decoder: Any = zlib.decompressobj(31)
    try:
        for piece in pieces:
            while piece:
                if decoder.eof:  # another archive follows, as parallel packers make them
                    decoder = zlib.decompressobj(31)
                yield decoder.decompress(piece, _PIECE)
                piece = decoder.unconsumed_tail or decoder.unused_data
    except zlib.error as problem:
        raise bad_image(f"the image is no whole gzip: {problem}") from problem
    if not decoder.eof:
        raise bad_image("the image is cut: its gzip does not end")


def packed(pieces: Iterator[bytes], level: int) -> Iterator[bytes]:
    """A stream as gzip's."""
    encoder = zlib.compressobj(level, zlib.DEFLATED, 31)
    for piece in pieces:
        yield encoder.compress(piece)
    yield encoder.flush()
