"""One call under way: a verb's view of the XAPI that runs it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.model import Message
from fake_xapi.datamodel.wire import xml_value
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.dom0.user_plugins import UserPlugins
from fake_xapi.engine.admission import resolve
from fake_xapi.engine.machines import PoolMachines
from fake_xapi.engine.marshal import fields_in
from fake_xapi.engine.messages import SPELLINGS, add_message
from fake_xapi.engine.records import record
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id, class_of
from fake_xapi.state.world import World
from fake_xapi.verbs.access.directory import Directory
from fake_xapi.verbs.disks.media import Arrays
from fake_xapi.verbs.migrations.remote import Remote

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi

PROGRESS_STEPS = 5
WATCHED = frozenset({"VM.migrate_send", "VM.pool_migrate"})
"""Synchronous calls whose tasks others watch all the same: they find them among the VM's current operations."""
DEFAULT_PRIORITY = 5
_RIGHTS = ("is_local_superuser", "subject", "auth_user_sid", "rbac_permissions", "pool", "parent")
"""The fields that determine a session's rights."""


@dataclass(frozen=True, slots=True)
class Done:
    """A call that succeeded; ``value`` is its wire value."""

    value: Any


Outcome = Done | Failure | None
"""The outcome of a call; None when it was cut off."""


_BEHIND: ContextVar[RunningCall | None] = ContextVar("behind", default=None)
"""The call to which background work belongs: cancelling the call does not cancel the work."""


class RunningCall:
    """Implements the verbs' ``Call``. ``outlives`` says whether the caller asked for a task instead of an answer."""

    __slots__ = ("_cancelling", "_is_cancelled", "about", "can_be_cancelled", "message", "name", "outlives", "session", "task", "xapi")

    def __init__(self, xapi: Xapi, message: Message, name: str, session: Id, *, outlives: bool = False) -> None:
        self.xapi = xapi
        self.message = message
        self.name = name
        self.session = session
        self.task: Id = NULL
        self.outlives = outlives
        self.about: Sequence[Any] = ()
        """The state values of its parameters, once it has begun."""
        self.can_be_cancelled = True
        """Whether its task may be cancelled by anybody who sees it."""
        self._is_cancelled = False
        self._cancelling: asyncio.Future[None] | None = None

    @property
    def world(self) -> World:
        """The pool's database."""
        return self.xapi.world

    @property
    def disks(self) -> DiskStore:
        """The bytes of the VDIs, keyed by their ids."""
        return self.xapi.disks

    @property
    def arrays(self) -> Arrays:
        """The storage outside the pool's hosts."""
        return self.xapi.arrays

    @property
    def plugins(self) -> UserPlugins:
        """The plugins and extensions that users brought."""
        return self.xapi.settings.plugins

    @property
    def host(self) -> Id:
        """The host that this XAPI runs on."""
        return self.xapi.host

    @property
    def machines(self) -> PoolMachines:
        """The machines of the pool and their surroundings."""
        return PoolMachines(self.xapi)

    @property
    def directory(self) -> Directory | None:
        """The directory service that hosts may join."""
        return self.xapi.settings.directory

    def end_unwelcome_sessions(self) -> None:
        """End the sessions of users that the directory no longer admits."""
        self.xapi.sessions.end_unwelcome()

    def now(self) -> str:
        """The date by the loop's clock."""
        return self.xapi.now()

    def chance(self, stream: str) -> random.Random:
        """A named stream of chance."""
        return self.xapi.chance.stream(stream)

    def open_task(self, edit: Edit) -> str:
        """The ref of the call's task, created when first needed; a dummy's for calls that have none."""
        if not self.task and self.message.is_async and self.message.cls not in ("task", "event"):
            self.task = self.xapi.tasks.begin(edit, self.name, self.session)
            self.xapi.calls[self.task] = self
        if not self.task:
            return f"DummyRef:|{self.xapi.chance.stream('dummy').getrandbits(64):016x}|{self.name}"
        return self.world.ref(self.task)

    def end(self, edit: Edit, outcome: Outcome) -> None:
        """End the task, once: record the outcome, or remove the task when its caller has received the answer."""
        task, tasks = self.task, self.xapi.tasks
        if self.xapi.calls.pop(task, None) is None or edit.get(task) is None:
            return
        if not self.outlives:
            edit.destroy(task)
            return
        match outcome:
            case Done(value):
                tasks.succeed(edit, task, "" if value == "" else xml_value(value))
            case Failure(code="TASK_CANCELLED"):
                tasks.cancel(edit, task)
            case Failure():
                tasks.fail(edit, task, outcome.details)

    def end_now(self, outcome: Outcome) -> None:
        """End the task in a commit of its own, unless it has ended."""
        with self.world.edit() as edit:
            self.end(edit, outcome)

    def progress(self, fraction: float) -> None:
        """Report in the task how much is done; nobody watches a synchronous call, unless it is WATCHED, or one that has ended."""
        if self._is_followed and self.world.get(self.task) is not None:
            with self.world.edit() as edit:
                edit.set(self.task, progress=round(fraction, 4))

    @property
    def _is_followed(self) -> bool:
        """Whether somebody may watch the task: not in what an ended call left behind."""
        return (self.outlives or self.name in WATCHED) and self.task in self.xapi.calls

    def cancel(self) -> None:
        """Stop the call at its present or next wait."""
        self._is_cancelled = True
        if self._cancelling is not None:
            resolve(self._cancelling)

    def finish_regardless(self) -> None:
        """Forbid cancelling the task from here on."""
        self.can_be_cancelled = False
        if self.world.get(self.task) is not None:
            with self.world.edit() as edit:
                edit.set(self.task, allowed_operations=())

    async def takes(self, what: str, *, bytes_moved: int = 0, share: tuple[float, float] = (0.0, 1.0)) -> None:
        """Let the time of an operation pass; Failure TASK_CANCELLED when the task is cancelled meanwhile."""
        if self.xapi.at_point is not None:
            await self.xapi.at_point(self, what)
        await self.wait(self.xapi.settings.durations.seconds(what, bytes_moved, self.chance("durations")), share=share)

    def lasts(self, what: str) -> float:
        """How many seconds something takes this time."""
        return self.xapi.settings.durations.seconds(what, 0, self.chance("durations"))

    async def wait(self, seconds: float, *, share: tuple[float, float] = (0.0, 1.0)) -> None:
        """Let seconds pass; Failure TASK_CANCELLED when the task is cancelled meanwhile."""
        begin, end = share
        steps = PROGRESS_STEPS if self._is_followed else 1
        for step in range(1, steps + 1) if seconds > 0 else ():
            await self._pause(seconds / steps)
            self.progress(begin + (end - begin) * step / steps)
        self.stop_if_cancelled()

    async def _pause(self, seconds: float) -> None:
        if _BEHIND.get() is self:
            await asyncio.sleep(seconds)
            return
        self.stop_if_cancelled()
        loop = asyncio.get_running_loop()
        self._cancelling = loop.create_future()
        timer = loop.call_later(seconds, resolve, self._cancelling)
        try:
            await self._cancelling
        finally:
            timer.cancel()
            self._cancelling = None
        self.stop_if_cancelled()

    async def unless_cancelled(self, wait: Coroutine[Any, Any, None]) -> None:
        """Wait for something; Failure TASK_CANCELLED when the task is cancelled meanwhile."""
        self._cancelling = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(wait)
        try:
            await asyncio.wait((waiting, self._cancelling), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            self._cancelling = None
        self.stop_if_cancelled()

    def stop_if_cancelled(self) -> None:
        """Raise TASK_CANCELLED when somebody has cancelled the task; background work of the call continues all the same."""
        if self._is_cancelled and _BEHIND.get() is not self:
            raise Failure("TASK_CANCELLED", Handle(self.task))

    async def perform(self, message: str, *params: Any) -> Any:
        """Send another message with the caller's session."""
        return await self.xapi.perform(self.session, message, params)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start background work that survives the call."""
        context = copy_context()
        context.run(_BEHIND.set, self)
        self.xapi.spawn(name, work, context)

    def stop(self, name: str) -> None:
        """Cancel background work."""
        self.xapi.stop(name)

    @asynccontextmanager
    async def operating(self, *marks: tuple[Id, str], strict: bool = True) -> AsyncIterator[None]:
        """Mark operations on more objects, for the duration of the block."""
        release = await self.marked(*marks, strict=strict)
        try:
            yield
        finally:
            release()

    async def marked(self, *marks: tuple[Id, str], strict: bool = True) -> Callable[[], None]:
        """Mark operations on more objects, until the returned function is called."""
        admission = self.xapi.admission
        keys: list[str] = []

        def key_of(edit: Edit) -> str:
            keys[:] = keys or [self.open_task(edit)]
            return keys[0]

        def release() -> None:
            with self.world.edit() as edit:
                admission.leave(edit, marks, keys[0] if keys else "")

        await admission.enter(marks, key_of, strict=strict)
        return release

    async def cancel_operations(self, identity: Id, operations: frozenset[str]) -> None:
        """Cancel the calls that hold these operations on an object, and wait until their marks are gone."""
        while holders := self._holders(identity, operations):
            for holder in holders:
                self.xapi.cancel(holder)
            await self.xapi.admission.pause_for(identity)

    def _holders(self, identity: Id, operations: frozenset[str]) -> list[Id]:
        row = self.world.get(identity)
        current = row["current_operations"] if row is not None else {}
        tasks = [self.world.find_ref(key) for key, operation in current.items() if operation in operations]
        return [task for task in tasks if task in self.xapi.calls and task != self.task]

    def remote(self, address: str) -> Remote:
        """Another pool."""
        return self.xapi.leader.around.dial(address)

    def fetch(self, url: str) -> AsyncIterator[bytes]:
        """The bytes behind a URL."""
        return self.xapi.leader.around.fetch(url)

    def authority(self, address: str) -> str:
        """An address of this pool with its port."""
        return self.xapi.leader.around.authority(self.xapi.leader, address)

    def fellow_session(self) -> str:
        """Another session with the caller's rights."""
        row = self.world.get(self.session)
        kept = {name: row[name] for name in _RIGHTS} if row is not None else {}
        user, originator = (row["auth_user_name"], row["originator"]) if row is not None else ("", "xapi")
        return self.world.ref(self.xapi.leader.sessions.begin(user, originator, **kept))

    def record(self, identity: Id) -> dict[str, Any]:
        """An object as ``get_record`` shows it."""
        return record(self.world, identity)

    def entered(self, cls: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a record that the release knows, as state values."""
        return fields_in(self.world, cls, record)

    def announce(self, name: str, identity: Id, body: str) -> None:
        """Create a ``message`` about an object."""
        priority = datamodel().alert_priorities.get(name, DEFAULT_PRIORITY)
        cls, about = class_of(identity), self.world.uuid(identity)
        cls = SPELLINGS.get(cls, cls)
        add_message(self.world, name=name, priority=priority, cls=cls, obj_uuid=about, timestamp=self.now(), body=body)
