"""What was asked of the instances of a cell, newest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from compute_core.model.instance_actions import ActionEvent, InstanceAction
from compute_core.model.json import from_json, to_json
from compute_core.store.schema import instance_actions

_A = instance_actions.c
_ADD = insert(instance_actions)
_OF_INSTANCE = select(instance_actions).where(_A.instance_uuid == bindparam("key")).order_by(_A.id.desc())
_END = (
    update(instance_actions)
    .where(_A.id == bindparam("key"))
    .values(updated_at=bindparam("new_updated_at"), message=bindparam("new_message"), events=bindparam("new_events", type_=_A.events.type))
)


def add(connection: Connection, action: InstanceAction) -> None:
    """Write down a new one; its ``id`` is given here."""
    row: dict[str, Any] = to_json(action)
    del row["id"]
    connection.execute(_ADD, row)


def of_instance(connection: Connection, instance_uuid: str) -> tuple[InstanceAction, ...]:
    """All of an instance, the newest first."""
    return tuple(_action(row) for row in connection.execute(_OF_INSTANCE, {"key": instance_uuid}))


def change(connection: Connection, action: InstanceAction) -> None:
    """Write what has become of one."""
    now = {"new_updated_at": action.updated_at, "new_message": action.message, "new_events": to_json(action.events)}
    connection.execute(_END, {"key": action.id, **now})


def _action(row: Row[Any]) -> InstanceAction:
    events = tuple(from_json(event, ActionEvent) for event in row.events)
    return InstanceAction(**{**row._asdict(), "events": events})
