"""Events: who waits for what, woken by the change itself.

Waiters queue for each class and each object that interests them: to all others a change costs nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from math import inf

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.event_queue import EventQueue, Queued, Registration
from fake_xapi.engine.interests import Interest
from fake_xapi.state.ids import Id, class_names, number_of
from fake_xapi.state.value import Change
from fake_xapi.state.world import World

QUEUE_LENGTH = 10_000
OLD_QUEUE_LENGTH = 500
BOSTON_QUEUE_LASTS_S = 15 * 60.0
OLD_ERAS = frozenset({"boston", "tampa", "clearwater"})


@dataclass(slots=True, eq=False)
class _Waiter:
    interest: Interest
    session: Id
    woken: asyncio.Future[None]

    def wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


_Waiters = dict[int, dict[_Waiter, None]]
"""The waiters, by class or object, in order of arrival: a set would wake them in the order of their memory addresses."""


class Events:
    """The events of one world, and those who wait for them."""

    __slots__ = ("_by_class", "_by_object", "_queue", "_registered", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_class: _Waiters = {}
        self._by_object: _Waiters = {}
        self._registered: dict[Id, Registration] = {}
        old = world.personality.era in OLD_ERAS
        lasts_s = BOSTON_QUEUE_LASTS_S if world.personality.era == "boston" else inf
        self._queue = EventQueue(OLD_QUEUE_LENGTH if old else QUEUE_LENGTH, world.generation, lasts_s)
        world.listeners.append(self._heard)

    @property
    def latest(self) -> int:
        """The number of the latest event of ``event.next``."""
        return self._queue.latest

    def _heard(self, _generation: int, changes: tuple[Change, ...]) -> None:
        if self._registered:
            for change in changes:
                self._queue.append(change)
        else:
            self._queue.latest += len(changes)
        if self._by_class or self._by_object:
            for change in changes:
                self._wake(self._by_class.get(number_of(change.identity), ()))
                self._wake(self._by_object.get(change.identity, ()))

    @staticmethod
    def _wake(waiters: Iterable[_Waiter]) -> None:
        for waiter in waiters:
            waiter.wake()

    async def wait(self, interest: Interest, session: Id, timeout_s: float | None) -> None:
        """Return when something in ``interest`` changes, when the session ends, or after the timeout."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(interest, session, loop.create_future())
        timer = None if timeout_s is None else loop.call_later(timeout_s, waiter.wake)
        places = [self._by_class.setdefault(number, {}) for number in interest.classes]
        places += [self._by_object.setdefault(identity, {}) for identity in (*interest.objects, session)]
        for place in places:
            place[waiter] = None
        try:
            await waiter.woken
        finally:
            if timer is not None:
                timer.cancel()
            self._leave(waiter)

    def _leave(self, waiter: _Waiter) -> None:
        _remove(self._by_class, waiter.interest.classes, waiter)
        _remove(self._by_object, (*waiter.interest.objects, waiter.session), waiter)

    def register(self, session: Id, interest: Interest) -> None:
        """Add to the events that ``event.next`` reports to a session."""
        known = self._registered.get(session)
        if known is None:
            self._registered[session] = Registration(interest, self._queue.latest)
        else:
            known.interest |= interest

    def unregister(self, session: Id, interest: Interest) -> None:
        """Remove from the events that ``event.next`` reports to a session."""
        known = self._registered.get(session)
        if known is not None:
            known.interest -= interest
            if known.interest == Interest():
                self._drop(session)

    def lapse(self, session: Id) -> None:
        """Drop a session's registrations, no matter who waits for them."""
        if session in self._registered:
            self.forget_session(session)

    def is_registered(self, session: Id) -> bool:
        """Whether a session has registered for anything."""
        return session in self._registered

    def forget_session(self, session: Id) -> None:
        """Drop everything about a session that has ended."""
        self._drop(session)
        self._wake(self._by_object.get(session, ()))

    def _drop(self, session: Id) -> None:
        self._registered.pop(session, None)
        if not self._registered:
            self._queue.events.clear()

    def next_batch(self, session: Id) -> list[Queued]:
        """The events that a registered session has not received yet; SESSION_NOT_REGISTERED when it is not registered."""
        known = self._registered.get(session)
        if known is None:
            digest = hashlib.md5(self._world.ref(session).encode(), usedforsecurity=False).hexdigest()
            raise Failure("SESSION_NOT_REGISTERED", f"trackid={digest}")
        position, known.position = known.position, self._queue.latest
        return [event for event in self._queue.since(position) if known.interest.covers(event.change.identity)]

    def registered(self, session: Id) -> Interest:
        """A session's registration."""
        known = self._registered.get(session)
        return Interest() if known is None else known.interest

    def changed_since(self, interest: Interest, generation: int) -> tuple[list[Id], list[Id], list[Id]]:
        """What was added, modified and deleted since a generation: one entry per object, however often it changed."""
        touched = self._world.feed.since(generation)
        if touched is None:
            return self._compared(interest, generation)
        added: list[Id] = []
        modified: list[Id] = []
        deleted: list[Id] = []
        for identity in sorted(touched):
            if interest.covers(identity):
                row = self._world.get(identity)
                if row is not None:
                    (added if row.created > generation else modified).append(identity)
                elif self._world.feed.graves.get(identity, (generation + 1, 0))[0] <= generation:
                    deleted.append(identity)
        return added, modified, deleted

    def _compared(self, interest: Interest, generation: int) -> tuple[list[Id], list[Id], list[Id]]:
        """The same by comparing every object: for a reader from before the feed begins."""
        names = class_names()
        tables = (self._world.rows(names[number]) for number in interest.classes)
        singles = ((identity, row) for identity in interest.objects if (row := self._world.get(identity)) is not None)
        added: list[Id] = []
        modified: list[Id] = []
        for identity, row in chain(*tables, singles):
            if row.created > generation:
                added.append(identity)
            elif row.modified > generation:
                modified.append(identity)
        graves = self._world.feed.graves.items()
        deleted = [identity for identity, (made, gone) in graves if made <= generation < gone and interest.covers(identity)]
        return sorted(added), sorted(modified), sorted(deleted)


def _remove(waiters: _Waiters, keys: Iterable[int], waiter: _Waiter) -> None:
    for key in keys:
        members = waiters[key]
        members.pop(waiter, None)
        if not members:
            del waiters[key]
