"""Records as JSON, straight from the rows of a world; unchanged rows are serialised only once.

May not know which fields a class has: it takes them from the personality.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import NULL_REF, Type
from fake_xapi.engine.records import Records, visible_fields
from fake_xapi.state.ids import Id
from fake_xapi.state.layout import layouts
from fake_xapi.state.row import Row
from fake_xapi.state.world import World

Ref = Callable[[int], str]
Plain = Callable[[Any, Ref], Any]


def json_records(records: Records) -> object:
    """The answer for ``orjson.dumps``, records as fragments of JSON."""
    world = records.world
    if records.is_single:
        (only,) = records.ids
        return json_row(world, only)
    return {world.ref(identity): json_row(world, identity) for identity in records.ids}


def json_row(world: World, identity: Id) -> orjson.Fragment:
    """One record, cached with its row until that changes."""
    row = world[identity]
    kept = world.encodings("json")
    known = kept.get(identity)
    if known is not None and known[0] is row:
        return orjson.Fragment(known[1])
    encoded = orjson.dumps(_plain(row, world, identity))
    kept[identity] = (row, encoded)
    return orjson.Fragment(encoded)


def _plain(row: Row, world: World, identity: Id) -> dict[str, Any]:
    ref, values = world.ref, row.values
    plain = {
        name: convert(values[place], ref) if convert else values[place] for name, place, convert in _fields(world.personality.name, row.cls)
    }
    if plain.get("uuid") == "":
        plain["uuid"] = world.uuid(identity)
    return plain


@cache
def _fields(release: str, cls: str) -> list[tuple[str, int, Plain | None]]:
    places = layouts()[cls].index
    return [(field.name, places[field.name], _plain_of(field.type)) for field in visible_fields(personality(release), cls)]


def _plain_of(kind: Type) -> Plain | None:
    """How to turn a state value into a JSON value; None when it is one already."""
    match kind.kind:
        case "ref":
            return lambda value, ref: ref(value) if value else NULL_REF
        case "set":
            return _set_of(kind)
        case "map":
            return _map_of(kind)
        case _:
            return None


def _set_of(kind: Type) -> Plain | None:
    convert = _plain_of(kind.element)
    return (lambda value, ref: [convert(element, ref) for element in value]) if convert else None


def _map_of(kind: Type) -> Plain:
    convert = _plain_of(kind.element)
    name = _name_of(kind.key)
    if convert is None and name is None:
        return lambda value, _: dict(value)

    def plain_map(value: Any, ref: Ref) -> dict[str, Any]:
        return {name(key, ref) if name else key: convert(member, ref) if convert else member for key, member in value.items()}

    return plain_map


def _name_of(kind: Type | None) -> Plain | None:
    if kind is not None and kind.kind == "int":
        return lambda value, _: str(value)
    return _plain_of(kind) if kind is not None else None
