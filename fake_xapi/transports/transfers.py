"""A transfer of bytes as a value: who asks for what with which bytes, and what goes back. Over HTTP and in-process alike.

May not know sockets, nor any particular handler.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fake_xapi.datamodel.failure import Failure
from fake_xapi.transports.ports import Credential, Xapi


class BadRequest(Exception):
    """A request that no handler can serve: the HTTP status and what to say, to the task in XAPI's own words."""

    def __init__(self, status: int, text: str, failure: Failure | None = None) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.failure = failure or Failure("INTERNAL_ERROR", text)


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """``parameters`` are those of query and cookies; ``length`` is None when the sender does not know it yet.

    ``headers`` by name in lower case; ``path`` as it was asked for.
    """

    xapi: Xapi
    parameters: Mapping[str, str]
    credential: Credential | None
    pieces: AsyncIterator[bytes]
    length: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True, slots=True)
class TransferAnswer:
    """What goes back: ``length`` bytes in ``pieces``, which must be read to their end or closed.

    With a length of None the reply ends with its connection. ``status`` is HTTP's: 302 with a Location sends the client elsewhere.
    """

    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = 0
    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    status: int = 200


Handler = Callable[[TransferRequest], Awaitable[TransferAnswer]]
"""Raises Failure (told to the task as well) or BadRequest."""

Handlers = Mapping[tuple[bytes, bytes], Handler]
"""By method and path."""
