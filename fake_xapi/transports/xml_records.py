"""Records as XML straight from the rows of a world, without a plain dict between; what did not change is not written twice.

May not know which fields a class has beyond what the personality says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import NULL_REF, Type
from fake_xapi.datamodel.wire import escape, xml_array, xml_bool, xml_date, xml_float, xml_int, xml_string, xml_struct
from fake_xapi.engine.records import Records, visible_fields
from fake_xapi.state.ids import Id
from fake_xapi.state.layout import layouts
from fake_xapi.state.row import Row
from fake_xapi.state.world import World

Ref = Callable[[int], str]
Dump = Callable[[Any, Ref], str]

_EMPTY_MAP = "<value><struct/></value>"
_EMPTY_SET = "<value><array><data/></array></value>"
_NULL = f"<value>{NULL_REF}</value>"


def xml_records(records: Records) -> list[bytes]:
    """The ``<value>`` of the answer in pieces: of a thousand records each copy costs as much as all the rest."""
    world = records.world
    if records.is_single:
        (only,) = records.ids
        return [xml_row(world, only)]
    if not records.ids:
        return [_EMPTY_MAP.encode()]
    pieces = [b"<value><struct>"]
    for identity in records.ids:
        pieces += (f"<member><name>{world.ref(identity)}</name>".encode(), xml_row(world, identity), b"</member>")
    pieces.append(b"</struct></value>")
    return pieces


def xml_row(world: World, identity: Id) -> bytes:
    """The ``<value>`` of one record, kept with its row until that changes."""
    row = world[identity]
    kept = world.encodings("xml")
    known = kept.get(identity)
    if known is not None and known[0] is row:
        return cast(bytes, known[1])
    encoded = _encode(row, world, identity)
    kept[identity] = (row, encoded)
    return encoded


def _encode(row: Row, world: World, identity: Id) -> bytes:
    ref, values = world.ref, row.values
    uuid = values[row.layout.uuid_index] or world.uuid(identity)
    members = [
        f"{head}{dump(uuid if name == 'uuid' else values[place], ref)}</member>"
        for name, place, head, dump in _fields(world.personality.name, row.cls)
    ]
    return f"<value><struct>{''.join(members)}</struct></value>".encode()


@cache
def _fields(release: str, cls: str) -> list[tuple[str, int, str, Dump]]:
    places = layouts()[cls].index
    fields = visible_fields(personality(release), cls)
    return [(field.name, places[field.name], f"<member><name>{field.name}</name>", _dump_of(field.type)) for field in fields]


def _dump_of(kind: Type) -> Dump:
    return _SCALARS[kind.kind] if kind.kind in _SCALARS else _NESTED[kind.kind](kind)


def _ref(value: int, ref: Ref) -> str:
    return f"<value>{ref(value)}</value>" if value else _NULL


def _set_of(kind: Type) -> Dump:
    dump = _dump_of(kind.element)

    def dump_set(value: Any, ref: Ref) -> str:
        return xml_array([dump(element, ref) for element in value]) if value else _EMPTY_SET

    return dump_set


def _map_of(kind: Type) -> Dump:
    dump = _dump_of(kind.element)
    has_ref_keys = kind.key is not None and kind.key.is_ref

    def dump_map(value: Any, ref: Ref) -> str:
        if not value:
            return _EMPTY_MAP
        return xml_struct({(ref(key) or NULL_REF) if has_ref_keys else key: dump(member, ref) for key, member in value.items()})

    return dump_map


_SCALARS: dict[str, Dump] = {
    "string": lambda value, _: f"<value>{escape(value)}</value>" if value else "<value/>",
    "enum": lambda value, _: f"<value>{value}</value>" if value else "<value/>",
    "int": lambda value, _: xml_int(value),
    "float": lambda value, _: xml_float(value),
    "bool": lambda value, _: xml_bool(value),
    "datetime": lambda value, _: xml_date(value),
    "void": lambda value, _: xml_string(value),
    "ref": _ref,
}
_NESTED: dict[str, Callable[[Type], Dump]] = {"set": _set_of, "map": _map_of}
