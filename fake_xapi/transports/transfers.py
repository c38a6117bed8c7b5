"""A transfer of bytes as a value: who requests what, with which bytes, and what is sent back. For HTTP and in-process alike.

May not know sockets, nor any particular handler.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fake_xapi.datamodel.failure import Failure
from fake_xapi.transports.ports import Credential, Xapi


class BadRequest(Exception):
    """A request that no handler can serve: the HTTP status, its text, and XAPI's own error for the task."""

    def __init__(self, status: int, text: str, failure: Failure | None = None) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.failure = failure or Failure("INTERNAL_ERROR", text)


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """``parameters`` come from query and cookies; ``length`` is None when the sender does not know it yet.

    ``headers`` by name in lower case; ``path`` as it was requested.
    """

    xapi: Xapi
    parameters: Mapping[str, str]
    credential: Credential | None
    pieces: AsyncIterator[bytes]
    length: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""


class Peer(Protocol):
    """The client of a talk."""

    @property
    def pieces(self) -> AsyncIterator[bytes]:
        """What it sends, as it comes; BodyLost when it goes."""
        ...

    @property
    def is_slow(self) -> bool:
        """Whether it has not yet read what it was sent."""
        ...

    def send(self, content: bytes) -> None:
        """Send something. ConnectionError when it is gone."""
        ...


Talk = Callable[[Peer], Awaitable[None]]
"""Runs until the talk is over; BodyLost and ConnectionError are ends like any other."""


@dataclass(frozen=True, slots=True)
class TransferAnswer:
    """What goes back: ``length`` bytes in ``pieces``, which must be read to their end or closed.

    With a length of None the reply ends with its connection. ``status`` is HTTP's: 302 with a Location sends the client elsewhere.
    With a ``talk`` there are no pieces: after the head both sides send what they like, until one of them ends it.
    """

    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = 0
    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    status: int = 200
    talk: Talk | None = None


class Moved(Exception):
    """A host has sent its client to another one. ``location`` is the URL."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


Handler = Callable[[TransferRequest], Awaitable[TransferAnswer]]
"""Raises Failure (told to the task as well) or BadRequest."""

Handlers = Mapping[tuple[bytes, bytes], Handler]
"""By method and path; one whose path ends with a slash serves all paths below it that have none of their own."""


def find_handler(handlers: Handlers, method: bytes, path: bytes) -> Handler | None:
    """The handler for a path, None when there is none."""
    exact = handlers.get((method, path))
    if exact is not None or path.count(b"/") < 2:
        return exact
    return handlers.get((method, path[: path.index(b"/", 1) + 1])) if path.startswith(b"/") else None


TALKS: frozenset[bytes] = frozenset({b"/console", b"/remotecmd"})
"""The paths at which a client that wishes for another protocol may get it."""
