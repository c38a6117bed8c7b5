"""Events: who waits for what, woken by the change itself.

Waiters stand in line for each class and each object that they care about: a change costs nothing for the others.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.wire import Int32
from fake_xapi.engine.marshal import Wire
from fake_xapi.engine.records import record, record_of
from fake_xapi.state.ids import Id, class_names, class_numbers, number_of
from fake_xapi.state.value import Change
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Verb

if TYPE_CHECKING:
    from fake_xapi.engine.call import RunningCall

QUEUE_LENGTH = 10_000
OLD_QUEUE_LENGTH = 500
OLD_ERAS = frozenset({"boston", "tampa", "clearwater"})


@dataclass(frozen=True, slots=True)
class Interest:
    """What a caller wants to hear of: class numbers and single objects."""

    classes: frozenset[int] = frozenset()
    objects: frozenset[Id] = frozenset()

    def covers(self, identity: Id) -> bool:
        """Whether an object is meant."""
        return number_of(identity) in self.classes or identity in self.objects

    def __or__(self, other: Interest) -> Interest:
        return Interest(self.classes | other.classes, self.objects | other.objects)

    def __sub__(self, other: Interest) -> Interest:
        return Interest(self.classes - other.classes, self.objects - other.objects)


@lru_cache(maxsize=1)
def _eventful() -> frozenset[int]:
    """The numbers of the classes that have events."""
    return frozenset(class_numbers()[cls.name] for cls in datamodel().classes.values() if cls.has_events)


@lru_cache(maxsize=1)
def _by_lower_name() -> Mapping[str, int]:
    return {name.lower(): number for name, number in class_numbers().items()}


def interest_in(world: World, names: Iterable[str]) -> Interest:
    """``*``, ``vm`` and ``vm/OpaqueRef:...``; EVENT_SUBSCRIPTION_PARSE_FAILURE [name] for anything else."""
    found = Interest()
    for name in names:
        cls, slash, ref = name.partition("/")
        if name == "*":
            found |= Interest(_eventful())
        elif cls.lower() not in _by_lower_name() or "/" in ref:
            raise Failure("EVENT_SUBSCRIPTION_PARSE_FAILURE", name)
        elif slash:
            found |= Interest(objects=frozenset({world.find_ref(ref)}))
        else:
            found |= Interest(frozenset({_by_lower_name()[cls.lower()]}) & _eventful())
    return found


@dataclass(slots=True, eq=False)
class _Waiter:
    interest: Interest
    session: Id
    woken: asyncio.Future[None]

    def wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


_Waiters = dict[int, dict[_Waiter, None]]
"""Who waits, by class or object, in the order in which they came: a set would wake them in the order of their addresses."""


@dataclass(slots=True)
class _Registration:
    """A session that has called ``event.register``: what it wants, and the last event that it has been given."""

    interest: Interest
    position: int


class Queued(NamedTuple):
    """A change that ``event.next`` may still tell, with the object as it was then."""

    number: int
    change: Change

    @property
    def operation(self) -> str:
        """``add``, ``mod`` or ``del``."""
        return "add" if self.change.old is None else "del" if self.change.new is None else "mod"


@dataclass(slots=True)
class _Queue:
    """The events that ``event.next`` may still hand out; filled only while somebody is registered."""

    length: int
    latest: int
    events: deque[Queued] = field(default_factory=deque)

    def append(self, change: Change) -> None:
        self.latest += 1
        self.events.append(Queued(self.latest, change))
        if len(self.events) > self.length:
            self.events.popleft()

    def since(self, position: int) -> Iterator[Queued]:
        """The events after a position; EVENTS_LOST [] when some of them are gone."""
        oldest = self.events[0].number if self.events else self.latest + 1
        if position + 1 < oldest and position < self.latest:
            raise Failure("EVENTS_LOST")
        return (event for event in self.events if event.number > position)


class Events:
    """The events of one world and those who wait for them."""

    __slots__ = ("_by_class", "_by_object", "_queue", "_registered", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_class: _Waiters = {}
        self._by_object: _Waiters = {}
        self._registered: dict[Id, _Registration] = {}
        old = world.personality.era in OLD_ERAS
        self._queue = _Queue(OLD_QUEUE_LENGTH if old else QUEUE_LENGTH, world.generation)
        world.listeners.append(self._heard)

    @property
    def latest(self) -> int:
        """The number of the newest event of ``event.next``."""
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
        """Return when something changes that ``interest`` covers, when the session ends, or after the time."""
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
        """Add to what a session wants to be told by ``event.next``."""
        known = self._registered.get(session)
        if known is None:
            self._registered[session] = _Registration(interest, self._queue.latest)
        else:
            known.interest |= interest

    def unregister(self, session: Id, interest: Interest) -> None:
        """Take away from what a session wants to be told."""
        known = self._registered.get(session)
        if known is not None:
            known.interest -= interest
            if known.interest == Interest():
                self._drop(session)

    def forget_session(self, session: Id) -> None:
        """A session has ended."""
        self._drop(session)
        self._wake(self._by_object.get(session, ()))

    def _drop(self, session: Id) -> None:
        self._registered.pop(session, None)
        if not self._registered:
            self._queue.events.clear()

    def next_batch(self, session: Id) -> list[Queued]:
        """What a registered session has not been told yet of what it wants; SESSION_NOT_REGISTERED when it is not."""
        known = self._registered.get(session)
        if known is None:
            digest = hashlib.md5(self._world.ref(session).encode(), usedforsecurity=False).hexdigest()
            raise Failure("SESSION_NOT_REGISTERED", f"trackid={digest}")
        position, known.position = known.position, self._queue.latest
        return [event for event in self._queue.since(position) if known.interest.covers(event.change.identity)]

    def registered(self, session: Id) -> Interest:
        """What a session has registered for."""
        known = self._registered.get(session)
        return Interest() if known is None else known.interest

    def changed_since(self, interest: Interest, generation: int) -> tuple[list[Id], list[Id], list[Id]]:
        """What was added, modified and deleted since a generation: one entry for an object, however often it changed."""
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
        """The same by looking at every object: for a reader from before the feed."""
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


def check_session(call: RunningCall) -> None:
    """SESSION_INVALID [ref] for a caller who has logged out while he waited."""
    if not call.xapi.sessions.is_live(call.session):
        raise Failure("SESSION_INVALID", Handle(call.session))


def parse_token(world: World, token: str) -> int:
    """The generation that a token stands for; "" is the beginning. EVENT_FROM_TOKEN_PARSE_FAILURE [token] for what is no token."""
    if not token:
        return 0
    generation, comma, _ = token.partition(",")
    if generation.isdigit() and comma:
        return int(generation)
    if world.personality.era == "boston":
        return 0
    raise Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token)


def token_of(world: World) -> str:
    """The token of the present."""
    if world.personality.era == "boston":
        return f"{world.generation},0."
    return f"{world.generation:020d},{world.generation:020d}"


def _told(world: World, event: Queued, timestamp: str) -> dict[str, Any]:
    """One entry of the list of ``event.next``: the record as it was after the change."""
    identity, row = event.change.identity, event.change.new
    told = _event(world, event.operation, identity, event.number, timestamp)
    return told if row is None else {**told, "snapshot": record_of(world, identity, row)}


def _current(world: World, operation: str, identity: Id, timestamp: str) -> dict[str, Any]:
    """One entry of the list of ``event.from``: the record as it is now."""
    told = _event(world, operation, identity, world.generation, timestamp)
    return told if world.get(identity) is None else {**told, "snapshot": record(world, identity)}


def _event(world: World, operation: str, identity: Id, number: int, timestamp: str) -> dict[str, Any]:
    event = {
        "id": str(number),
        "timestamp": timestamp,
        "class": class_names()[number_of(identity)].lower(),
        "operation": operation,
        "ref": world.ref(identity),
    }
    if world.personality.era in OLD_ERAS:
        event["obj_uuid"] = world.uuid(identity)
    return event


def _counts(world: World) -> dict[str, Int32]:
    return {name.lower(): Int32(world.count(name)) for name in world.personality.classes}


def _batch(world: World, parts: tuple[list[Id], list[Id], list[Id]]) -> list[dict[str, Any]]:
    """The list of ``event.from``: messages, newest first, then adds, mods and dels."""
    message = class_numbers()["message"]
    added, modified, deleted = parts
    messages = [identity for identity in reversed(added) if number_of(identity) == message]
    others = [identity for identity in added if number_of(identity) != message]
    modified = [*others, *modified] if world.personality.era in OLD_ERAS else modified
    stamp = "0." if world.personality.era in ("boston", "tampa") else "0.0"
    groups = zip(("add", "add", "mod", "del"), (messages, others, modified, deleted), strict=True)
    return [_current(world, operation, identity, stamp) for operation, members in groups for identity in members]


async def event_from(call: RunningCall, classes: list[str], token: str, timeout: float) -> Wire:  # noqa: ASYNC109  # the message's parameter
    """What changed since a token: at once when something has, else when something does, or empty after the time."""
    world, events = call.world, call.xapi.events
    interest, generation = interest_in(world, classes), parse_token(world, token)
    deadline_s = asyncio.get_running_loop().time() + timeout
    while True:
        parts = events.changed_since(interest, generation)
        remaining_s = deadline_s - asyncio.get_running_loop().time()
        if any(parts) or remaining_s <= 0:
            return Wire({"events": _batch(world, parts), "valid_ref_counts": _counts(world), "token": token_of(world)})
        await events.wait(interest, call.session, remaining_s)
        check_session(call)
        if call.xapi.settings.event_gather_s:
            await asyncio.sleep(call.xapi.settings.event_gather_s)


async def event_next(call: RunningCall) -> Wire:
    """The events that the session has registered for, when there are some."""
    events = call.xapi.events
    while True:
        batch = events.next_batch(call.session)
        if batch:
            now = call.now()
            return Wire([_told(call.world, event, now) for event in batch])
        await events.wait(events.registered(call.session), call.session, None)
        check_session(call)


def event_register(call: RunningCall, classes: list[str]) -> None:
    """Begin to queue events of these classes for the session."""
    call.xapi.events.register(call.session, interest_in(call.world, classes))


def event_unregister(call: RunningCall, classes: list[str]) -> None:
    """No longer queue events of these classes for the session."""
    call.xapi.events.unregister(call.session, interest_in(call.world, classes))


def get_current_id(call: RunningCall) -> int:
    """The number of the newest event."""
    return call.xapi.events.latest


def inject(call: RunningCall, cls: str, ref: str) -> str:
    """Make an object look changed; the token answered comes before nothing that happened until now."""
    identity = call.world.find_ref(ref)
    row = call.world.get(identity) if identity else None
    if row is None or row.cls.lower() != cls.lower():
        raise Failure("HANDLE_INVALID", cls, ref)
    with call.world.edit() as edit:
        edit.touch(identity)
    return token_of(call.world)


VERBS: Mapping[str, Verb] = {
    "event.from": event_from,
    "event.next": event_next,
    "event.register": event_register,
    "event.unregister": event_unregister,
    "event.get_current_id": get_current_id,
    "event.inject": inject,
}
