"""The messages of class ``event``: which changes are reported, in which form, and when."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.wire import Int32
from fake_xapi.engine.event_queue import Queued
from fake_xapi.engine.events import OLD_ERAS
from fake_xapi.engine.interests import interest_in
from fake_xapi.engine.records import record, record_of
from fake_xapi.state.ids import Id, class_names, class_numbers, number_of
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Verb, Wire

if TYPE_CHECKING:
    from fake_xapi.engine.call import RunningCall


def check_session(call: RunningCall) -> None:
    """Raise SESSION_INVALID [ref] for a caller who has logged out while waiting."""
    if not call.xapi.sessions.is_live(call.session):
        raise Failure("SESSION_INVALID", Handle(call.session))


def parse_token(world: World, token: str) -> int:
    """The generation of a token; "" is the beginning. EVENT_FROM_TOKEN_PARSE_FAILURE [token] for a malformed one."""
    if not token:
        return 0
    is_of_boston = world.personality.era == "boston"
    found = (_BOSTON_TOKEN if is_of_boston else _TOKEN)(token)
    if found is not None:
        return int(found[1])
    if is_of_boston:
        return 0
    raise Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token)


_TOKEN = re.compile(r"(\d{1,40}),\d{1,40}", re.ASCII).fullmatch
_BOSTON_TOKEN = re.compile(r"(\d{1,40}),\d{1,40}(?:\.\d*)?", re.ASCII).fullmatch


def token_of(world: World) -> str:
    """The token for the present."""
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
    """The changes since a token: at once if there are any, otherwise with the first one, or empty after the timeout.

    In the releases of 2012 it shares its implementation with ``event.next``: when it ends, the session's registrations are lost.
    """
    told = await _changed(call, classes, token, timeout)
    if call.world.personality.era in OLD_ERAS:
        call.xapi.events.lapse(call.session)
    return told


async def _changed(call: RunningCall, classes: list[str], token: str, timeout: float) -> Wire:  # noqa: ASYNC109  # as above
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
    """The events for which the session has registered, once there are some; SESSION_INVALID [ref] when they lapse meanwhile."""
    events = call.xapi.events
    while True:
        batch = events.next_batch(call.session)
        if batch:
            now = call.now()
            return Wire([_told(call.world, event, now) for event in batch])
        await events.wait(events.registered(call.session), call.session, None)
        check_session(call)
        if call.world.personality.era in OLD_ERAS and not events.is_registered(call.session):
            raise Failure("SESSION_INVALID", Handle(call.session))


def event_register(call: RunningCall, classes: list[str]) -> None:
    """Start queueing events of these classes for the session."""
    call.xapi.events.register(call.session, interest_in(call.world, classes))


def event_unregister(call: RunningCall, classes: list[str]) -> None:
    """Stop queueing events of these classes for the session."""
    call.xapi.events.unregister(call.session, interest_in(call.world, classes))


def get_current_id(call: RunningCall) -> int:
    """The number of the latest event."""
    return call.xapi.events.latest


def inject(call: RunningCall, cls: str, ref: str) -> str:
    """Make an object look changed; the returned token precedes nothing that happened before."""
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
