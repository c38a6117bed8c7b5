"""Setters that only write: XenAPI has many messages named ``set_x`` that are not accessors but do the same."""

from __future__ import annotations

from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb


def writes(field: str) -> Verb:
    """Make a verb that writes one field."""

    def write(call: Call, identity: Id, value: Any) -> None:
        with call.world.edit() as edit:
            edit.set(identity, **{field: tuple(value) if isinstance(value, list) else value})

    return write


def puts(field: str) -> Verb:
    """Make a verb that adds one key to a map field; MAP_DUPLICATE_KEY for one that exists."""

    def put(call: Call, identity: Id, key: str, value: str) -> None:
        row = call.world[identity]
        if key in row[field]:
            raise Failure("MAP_DUPLICATE_KEY", row.cls, field, Handle(identity), key)
        with call.world.edit() as edit:
            edit.put(identity, field, key, value)

    return put


def drops(field: str) -> Verb:
    """Make a verb that removes one key of a map field, if it exists."""

    def drop(call: Call, identity: Id, key: str) -> None:
        with call.world.edit() as edit:
            edit.drop(identity, field, key)

    return drop
