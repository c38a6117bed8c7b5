"""Whole records as answers: lazy, so that a transport may reuse what it has encoded before.

A record shows the fields of the personality in the datamodel's order, except internal ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from fake_xapi.datamodel.model import Field
from fake_xapi.datamodel.personality import Personality, personality
from fake_xapi.engine.marshal import Marshal, marshaller
from fake_xapi.state.ids import Id
from fake_xapi.state.layout import layouts
from fake_xapi.state.row import Row
from fake_xapi.state.world import World


class Records:
    """The answer of ``get_record`` (``is_single``) or of ``get_all_records``."""

    __slots__ = ("ids", "is_single", "world")

    def __init__(self, world: World, ids: Iterable[Id], *, is_single: bool) -> None:
        self.world = world
        self.ids = tuple(ids)
        self.is_single = is_single

    def value(self) -> dict[str, Any]:
        """The plain answer; records are shared with other readers and must not be changed."""
        if self.is_single:
            return record(self.world, self.ids[0])
        return {self.world.ref(identity): record(self.world, identity) for identity in self.ids}


def record(world: World, identity: Id) -> dict[str, Any]:
    """One record as wire values, cached until the object changes."""
    row = world[identity]
    kept = world.encodings("plain")
    known = kept.get(identity)
    if known is not None and known[0] is row:
        found: dict[str, Any] = known[1]
        return found
    made = record_of(world, identity, row)
    kept[identity] = (row, made)
    return made


def record_of(world: World, identity: Id, row: Row) -> dict[str, Any]:
    """One record as wire values, for the object's state in that row."""
    values = row.values
    made = {
        name: value for name, index, out in _fields(world.personality.name, row.cls) if (value := out(world, values[index])) is not None
    }
    if "uuid" in made:
        made["uuid"] = world.uuid(identity)
    return made


@cache
def _fields(release: str, cls: str) -> tuple[tuple[str, int, Marshal], ...]:
    index = layouts()[cls].index
    return tuple((field.name, index[field.name], marshaller(field.type)) for field in visible_fields(personality(release), cls))


def visible_fields(release: Personality, cls: str) -> list[Field]:
    """The fields of a class that its records show."""
    return [field for field in release.classes[cls].fields if not field.is_internal]
