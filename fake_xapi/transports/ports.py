"""What the transports need from the layers below, and what a layer in between may do to an answer.

A simulated XAPI is only reached through ``Xapi``. A fault layer wraps one and is one itself: it may raise a Failure before the call,
sleep, wait until it is released, or change how the answer travels:

- raise ConnectionError: the connection ends without a reply. Raised after the work was done it is a lost reply.
- return something with a ``cut_at`` (see ``CutAnswer``): that part of the reply is sent, then the connection ends.
- a router that raises ConnectionRefusedError: the host is dead, its connections are reset as they come.

So that layers below the transports can do all of that, nothing here needs to be imported by them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Personality
from fake_xapi.datamodel.wire import DateTime, Int32
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.call import RunningCall
from fake_xapi.state.world import World

T = TypeVar("T")
Credential = str | tuple[str, str]
"""A session's ref, or user and password; a pool's secret is the password of the user without a name."""


_PLAIN: frozenset[type] = frozenset({str, bool, int, Int32, float, DateTime, list, tuple, dict, type(None)})


def is_plain(value: object) -> bool:
    """Whether an answer is a wire value already; otherwise it is the engine's ``Records``."""
    return type(value) in _PLAIN


class CutAnswer(Protocol):
    """An answer whose reply is cut off: ``cut_at`` is the fraction of its bytes that reach the client."""

    cut_at: float
    value: object


class HttpTask(Protocol):
    """The task that a client named with ``task_id``, or one that was made for it."""

    def progress(self, fraction: float) -> None:
        """Report progress; raises Failure TASK_CANCELLED when somebody cancelled the task meanwhile."""
        ...

    def result(self, text: str) -> None:
        """End it as a success; ``text`` is XML, or empty."""
        ...

    def fail(self, failure: Failure) -> None:
        """End it as a failure."""
        ...


class Xapi(Protocol):
    """One simulated XAPI."""

    @property
    def personality(self) -> Personality:
        """The release that it pretends to be."""
        ...

    @property
    def world(self) -> World:
        """Its world as of now."""
        ...

    @property
    def disks(self) -> DiskStore:
        """The bytes of its VDIs, by id."""
        ...

    @property
    def host(self) -> int:
        """The host that answers."""
        ...

    def authority(self, host: int) -> str:
        """How a client dials a host of its pool: its address, with its port unless that is the default."""
        ...

    def dispatch(self, method: str, params: list[Any]) -> Any:
        """A wire value or the engine's ``Records``, or a coroutine that gives one; raises Failure with texts as parameters."""
        ...

    def authorise(self, credential: Credential, action: str) -> int:
        """The id of a session with permission for an HTTP action.

        Raises Failure RBAC_PERMISSION_DENIED when its roles do not allow the HTTP action, another Failure when there is no such session.
        """
        ...

    def transfer(self, action: str, bytes_moved: int, work: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """Run a transfer's work after the time that moving so many bytes takes. ConnectionError when the client gets no answer."""
        ...

    def server_identity(self) -> tuple[str, str]:
        """The certificate with which its host serves clients, and its key, as PEM; made now if the host has none yet."""
        ...

    def now(self) -> str:
        """The date by its clock."""
        ...

    def audit_lines(self, since: str) -> Iterable[str]:
        """The lines of its pool's audit log from a date on."""
        ...

    def http_task(self, task_ref: str) -> HttpTask:
        """The task of a transfer: the client's own, or for "" one that nobody sees."""
        ...

    def unseen_call(self, name: str) -> RunningCall:
        """A call that happens by itself ("VM.key"), without session or task."""
        ...

    def begin_transfer(self, name: str, session: int, task_ref: str) -> RunningCall:
        """A transfer as a call of its own ("VM.export"), with the client's task or a new one."""
        ...


class Router(Protocol):
    """Which XAPI answers at a local address."""

    def xapi_at(self, address: str, port: int) -> Xapi | None:
        """The XAPI at an address, None when there is none; ConnectionRefusedError when its host is dead."""
        ...


class Request(NamedTuple):
    """One call as a codec read it; ``envelope`` is what the codec needs for the answer."""

    method: str
    params: list[Any]
    envelope: object = None


class Refusal(Exception):
    """A body that is not a call: the reply is ready."""

    def __init__(self, status: int, content_type: str, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.content_type = content_type
        self.body = body


class Codec(Protocol):
    """One wire format of calls and answers."""

    @property
    def content_type(self) -> str:
        """The content type of replies."""
        ...

    def read(self, body: bytes) -> Request:
        """The call; raises Refusal."""
        ...

    def success(self, request: Request, value: object) -> bytes:
        """The reply's body for a value."""
        ...

    def failure(self, request: Request, failure: Failure) -> bytes:
        """The reply's body for a refusal by XAPI."""
        ...
