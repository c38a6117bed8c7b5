"""What a verb is given: the world, the caller, and the few things that only a running XAPI can do for it.

The engine implements it; verbs know no more of the engine than this.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fake_xapi.datamodel.model import Message
from fake_xapi.dom0.user_plugins import UserPlugins
from fake_xapi.state.ids import Id
from fake_xapi.verbs.access.directory import Directory
from fake_xapi.verbs.disks.media import Holder
from fake_xapi.verbs.hosts.machines import Machines
from fake_xapi.verbs.migrations.remote import Remote

Verb = Callable[..., Any]
"""``verb(call, *params)``: a plain function that answers at once, or a coroutine function. Params and result are state values."""


class Wire:
    """An answer that is a wire value already: refs of another pool, or records as they are kept."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Call(Holder, Protocol):
    """One call under way, or the background work that it left behind."""

    @property
    def plugins(self) -> UserPlugins:
        """The plugins and extensions that users brought."""
        ...

    @property
    def message(self) -> Message:
        """The message that was called."""
        ...

    @property
    def session(self) -> Id:
        """The caller's session; NULL for the XAPI's own calls."""
        ...

    @property
    def task(self) -> Id:
        """The call's task; NULL when it has none."""
        ...

    @property
    def host(self) -> Id:
        """The host that this XAPI runs on."""
        ...

    @property
    def machines(self) -> Machines:
        """The machines of the pool, and what is around them."""
        ...

    @property
    def directory(self) -> Directory | None:
        """The directory service that hosts may join; None when there is none."""
        ...

    def end_unwelcome_sessions(self) -> None:
        """End the sessions of users that the directory no longer admits."""
        ...

    def now(self) -> str:
        """The date by the loop's clock: ``20120801T00:00:00Z``."""
        ...

    def chance(self, stream: str) -> random.Random:
        """A named stream of chance, the same for the same seed."""
        ...

    def progress(self, fraction: float) -> None:
        """Report in the task how much is done, from 0 to 1."""
        ...

    async def takes(self, what: str, *, bytes_moved: int = 0, share: tuple[float, float] = (0.0, 1.0)) -> None:
        """Let the time pass that ``what`` ("VM.start", "VDI.copy") takes in the profile, while the task's progress covers ``share``.

        Failure TASK_CANCELLED when the task is cancelled meanwhile: it is up to the verb to undo what was done so far.
        """
        ...

    def lasts(self, what: str) -> float:
        """How many seconds ``what`` takes this time in the profile, for callers that let them pass themselves."""
        ...

    async def wait(self, seconds: float, *, share: tuple[float, float] = (0.0, 1.0)) -> None:
        """Let seconds pass regardless of the profile: a deadline of XAPI's own. Progress and TASK_CANCELLED as with ``takes``."""
        ...

    def stop_if_cancelled(self) -> None:
        """Raise TASK_CANCELLED when somebody has cancelled the task: for work that waits for bytes instead of time."""
        ...

    def finish_regardless(self) -> None:
        """Forbid cancelling the task from here on: half of the call would be worse than all or nothing."""
        ...

    async def perform(self, message: str, *params: Any) -> Any:
        """Send another message with the caller's session: params are state values, the answer is a wire value."""
        ...

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start background work that survives the call. Running work of the same name ends first; all ends with the XAPI."""
        ...

    def stop(self, name: str) -> None:
        """Cancel the background work of that name, if it is running."""
        ...

    def operating(self, *marks: tuple[Id, str], strict: bool = True) -> AbstractAsyncContextManager[None]:
        """Check, wait for and mark operations on more objects, for the duration of the block: ``(vbd, "attach")``.

        Unless ``strict``, some guards are skipped, as for callers who insist.
        """
        ...

    async def marked(self, *marks: tuple[Id, str], strict: bool = True) -> Callable[[], None]:
        """As ``operating``, until the returned function is called: for operations that end outside of any coroutine."""
        ...

    async def cancel_operations(self, identity: Id, operations: frozenset[str]) -> None:
        """Cancel the tasks that hold these operations on an object, and wait until they are gone (``hard_shutdown``)."""
        ...

    def remote(self, address: str) -> Remote:
        """Another pool, by the address of its master with or without a port, as a client reaches it."""
        ...

    def fetch(self, url: str) -> AsyncIterator[bytes]:
        """The bytes behind a URL. Failure CANNOT_CONTACT_HOST, INVALID_VALUE ["url", url]."""
        ...

    def authority(self, address: str) -> str:
        """The address of a host of this pool as others can dial it: with its port, unless that is the default."""
        ...

    def fellow_session(self) -> str:
        """The ref of a new session with the rights of the caller's, which outlives it."""
        ...

    def record(self, identity: Id) -> dict[str, Any]:
        """An object as ``get_record`` shows it, in wire values; must not be changed."""
        ...

    def entered(self, cls: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a wire record that the release knows, as state values; Failure for a value of another type.

        Refs that lead nowhere become NULL.
        """
        ...

    def announce(self, name: str, identity: Id, body: str) -> None:
        """Create a XenAPI ``message`` about an object: ``VM_STARTED``. Its priority comes from the datamodel."""
        ...
