"""The class ``message``: XAPI's messages to people. They are stored like any object, though the datamodel calls the class transient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.query import matching
from fake_xapi.engine.records import Records
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Verb, Wire

if TYPE_CHECKING:
    from fake_xapi.engine.call import RunningCall

CLASSES: Mapping[str, str] = {
    "VM": "VM", "Host": "host", "SR": "SR", "Pool": "pool", "VMPP": "VMPP", "VMSS": "VMSS", "PVS_proxy": "PVS_proxy", "VDI": "VDI",
    "Certificate": "Certificate",
}  # fmt: skip
"""What a message may be about: the names of classes in messages, and their own names."""
SPELLINGS: Mapping[str, str] = {name: spelling for spelling, name in CLASSES.items()}
MOST = 10_000
SLACK = 100
"""How far the number may exceed the limit before the oldest are removed, all at once."""


def add_message(world: World, **fields: object) -> Id:
    """Create a message; when there are too many, the oldest are removed."""
    with world.edit() as edit:
        made = edit.create("message", **fields)
    if world.count("message") > MOST + SLACK:
        oldest = sorted(world.ids("message"))[: world.count("message") - MOST]
        with world.edit() as edit:
            for message in oldest:
                edit.destroy(message)
    return made


def create(call: RunningCall, name: str, priority: int, cls: str, obj_uuid: str, body: str) -> Id:
    """Create a client's own message. UUID_INVALID [class, uuid] for an unknown object."""
    if not _is_there(call.world, cls, obj_uuid):
        raise Failure("UUID_INVALID", cls, obj_uuid)
    return add_message(call.world, name=name, priority=priority, cls=cls, obj_uuid=obj_uuid, timestamp=call.now(), body=body)


def _is_there(world: World, cls: str, uuid: str) -> bool:
    return bool(world.by_uuid(CLASSES[cls], uuid))


def destroy(call: RunningCall, message: Id) -> None:
    """Remove one."""
    destroy_many(call, [message])


def destroy_many(call: RunningCall, messages: list[Id]) -> None:
    """Remove several."""
    with call.world.edit() as edit:
        for message in messages:
            edit.destroy(message)


def destroy_all(call: RunningCall, filters: Mapping[str, str]) -> None:
    """Remove those that match: ``before`` and ``after`` are dates, ``name``, ``priority``, ``cls`` and ``obj_uuid`` have to be equal.

    INVALID_VALUE [key, value] for anything else. Which filters there are is an assumption.
    """
    for key, value in filters.items():
        if key not in FILTERS:
            raise Failure("INVALID_VALUE", key, value)
    fitting = [i for i, row in call.world.rows("message") if all(FILTERS[key](row, value) for key, value in filters.items())]
    destroy_many(call, fitting)


FILTERS: Mapping[str, Callable[[Row, str], bool]] = {
    "before": lambda row, date: row["timestamp"] < compact(date),
    "after": lambda row, date: row["timestamp"] > compact(date),
    "name": lambda row, name: row["name"] == name,
    "priority": lambda row, priority: str(row["priority"]) == priority,
    "cls": lambda row, cls: row["cls"] == cls,
    "obj_uuid": lambda row, uuid: row["obj_uuid"] == uuid,
}


def compact(date: str) -> str:
    """A date in ISO 8601, in the form in which rows have it."""
    return date.replace("-", "")


def get(call: RunningCall, cls: str, obj_uuid: str, since: str) -> Wire:
    """The messages about one object after a date. UUID_INVALID [] for an unknown object."""
    if not _is_there(call.world, cls, obj_uuid):
        raise Failure("UUID_INVALID")
    return _records(
        call, (i for i, row in call.world.rows("message") if row["cls"] == cls and row["obj_uuid"] == obj_uuid and row["timestamp"] > since)
    )


def get_since(call: RunningCall, since: str) -> Wire:
    """The messages after a date."""
    return _records(call, (i for i, row in call.world.rows("message") if row["timestamp"] > since))


def get_all(call: RunningCall) -> list[Id]:
    """All messages."""
    return sorted(call.world.ids("message"))


def get_all_records(call: RunningCall) -> Wire:
    """All messages with their records."""
    return _records(call, call.world.ids("message"))


def get_all_records_where(call: RunningCall, expression: str) -> Wire:
    """The messages that match an expression."""
    return _records(call, matching(call.world, "message", expression))


def get_record(call: RunningCall, message: Id) -> Wire:
    """One record."""
    return Wire(Records(call.world, (message,), is_single=True))


def get_by_uuid(call: RunningCall, uuid: str) -> Id:
    """The message with that uuid; UUID_INVALID ["message", uuid] when there is none."""
    found = call.world.by_uuid("message", uuid)
    if not found:
        raise Failure("UUID_INVALID", "message", uuid)
    return found


def _records(call: RunningCall, ids: Iterable[Id]) -> Wire:
    return Wire(Records(call.world, sorted(ids, reverse=True), is_single=False))


VERBS: Mapping[str, Verb] = {
    "message.create": create,
    "message.destroy": destroy,
    "message.destroy_many": destroy_many,
    "message.destroy_all": destroy_all,
    "message.get": get,
    "message.get_since": get_since,
    "message.get_all": get_all,
    "message.get_all_records": get_all_records,
    "message.get_all_records_where": get_all_records_where,
    "message.get_record": get_record,
    "message.get_by_uuid": get_by_uuid,
}
