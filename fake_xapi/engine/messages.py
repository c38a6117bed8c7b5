"""The class ``message``: what XAPI tells people. It is kept like any object, though the datamodel says that it is in no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.marshal import Wire
from fake_xapi.engine.query import matching
from fake_xapi.engine.records import Records
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Verb

if TYPE_CHECKING:
    from fake_xapi.engine.call import RunningCall

MOST = 10_000
SLACK = 100
"""So many more may there be before the oldest are removed, all at once."""


def add_message(world: World, **fields: object) -> Id:
    """Make a message; when there are too many, the oldest go."""
    with world.edit() as edit:
        made = edit.create("message", **fields)
    if world.count("message") > MOST + SLACK:
        oldest = sorted(world.ids("message"))[: world.count("message") - MOST]
        with world.edit() as edit:
            for message in oldest:
                edit.destroy(message)
    return made


def create(call: RunningCall, name: str, priority: int, cls: str, obj_uuid: str, body: str) -> Id:
    """A message of the client's own."""
    return add_message(call.world, name=name, priority=priority, cls=cls, obj_uuid=obj_uuid, timestamp=call.now(), body=body)


def destroy(call: RunningCall, message: Id) -> None:
    """Forget one."""
    destroy_many(call, [message])


def destroy_many(call: RunningCall, messages: list[Id]) -> None:
    """Forget several."""
    with call.world.edit() as edit:
        for message in messages:
            edit.destroy(message)


def get(call: RunningCall, cls: str, obj_uuid: str, since: str) -> Wire:
    """Those about one object after a date."""
    return _records(
        call, (i for i, row in call.world.rows("message") if row["cls"] == cls and row["obj_uuid"] == obj_uuid and row["timestamp"] > since)
    )


def get_since(call: RunningCall, since: str) -> Wire:
    """Those after a date."""
    return _records(call, (i for i, row in call.world.rows("message") if row["timestamp"] > since))


def get_all(call: RunningCall) -> list[Id]:
    """All of them."""
    return sorted(call.world.ids("message"))


def get_all_records(call: RunningCall) -> Wire:
    """All of them with their records."""
    return _records(call, call.world.ids("message"))


def get_all_records_where(call: RunningCall, expression: str) -> Wire:
    """Those that an expression describes."""
    return _records(call, matching(call.world, "message", expression))


def get_record(call: RunningCall, message: Id) -> Wire:
    """One record."""
    return Wire(Records(call.world, (message,), is_single=True))


def get_by_uuid(call: RunningCall, uuid: str) -> Id:
    """UUID_INVALID ["message", uuid] when there is none."""
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
    "message.get": get,
    "message.get_since": get_since,
    "message.get_all": get_all,
    "message.get_all_records": get_all_records,
    "message.get_all_records_where": get_all_records_where,
    "message.get_record": get_record,
    "message.get_by_uuid": get_by_uuid,
}
