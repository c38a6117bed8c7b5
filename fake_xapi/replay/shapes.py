"""The shape of an answer: what kind of value it is, and which fields its records have; never what they hold.

A shape is plain JSON: "text", "number", "bool", "date", "ref", "any", ``{"list": shape}``, ``{"map": shape}`` (null where there was no
member) and ``{"record": {field: shape}}``. The datamodel says what a value is; where it does not know, the value itself does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.types import Type

Shape = str | dict[str, Any] | None
_DATE = re.compile(r"\d{8}T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)").fullmatch
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?").fullmatch
_OF_SCALARS: Mapping[str, str] = {
    "string": "text", "enum": "text", "void": "text", "int": "number", "float": "number", "bool": "bool", "datetime": "date", "ref": "ref",
}  # fmt: skip


def shape_of(kind: Type | None, value: Any) -> Shape:
    """The shape of a value of a type; of one that does not fit its type, or has none that is known, what it looks like."""
    if kind is None:
        return looks(value)
    if kind.kind in _OF_SCALARS:
        return _OF_SCALARS[kind.kind] if not isinstance(value, list | dict) else looks(value)
    return _OF_NESTED[kind.kind](kind, value)


def looks(value: Any) -> Shape:
    """What a value looks like; a text that looks like a number may be any text."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "ref" if value.startswith("OpaqueRef:") else "date" if _DATE(value) else "text"
        case list():
            return {"list": merged(map(looks, value))}
        case dict():
            return _looks_of_struct(value)
    return "any"


def _looks_of_struct(value: dict[str, Any]) -> Shape:
    """A struct whose members are refs is a map; any other is a record."""
    if value and all(key.startswith("OpaqueRef:") for key in value):
        return {"map": merged(map(looks, value.values()))}
    return {"record": {key: looks(member) for key, member in sorted(value.items())}}


def _set(kind: Type, value: Any) -> Shape:
    return {"list": merged(shape_of(kind.element, member) for member in value)} if isinstance(value, list) else looks(value)


def _map(kind: Type, value: Any) -> Shape:
    return {"map": merged(shape_of(kind.element, member) for member in value.values())} if isinstance(value, dict) else looks(value)


def _option(kind: Type, value: Any) -> Shape:
    return "any" if value is None else shape_of(kind.element, value)


def _record(kind: Type, value: Any) -> Shape:
    if not isinstance(value, dict):
        return looks(value)
    cls = datamodel().classes.get(kind.name)
    known = {field.name: field.type for field in cls.fields} if cls is not None else {}
    return {"record": {name: shape_of(known.get(name), member) for name, member in sorted(value.items())}}


_OF_NESTED: Mapping[str, Callable[[Type, Any], Shape]] = {"set": _set, "map": _map, "option": _option, "record": _record}


def merged(shapes: Iterable[Shape]) -> Shape:
    """The shape that all members of a list or map have: what differs between them is any; null where there are none."""
    found: Shape = None
    for shape in shapes:
        found = _both(found, shape)
    return found


def _both(one: Shape, other: Shape) -> Shape:
    if one is None or one == other:
        return other
    if other is None:
        return one
    if isinstance(one, str) or isinstance(other, str) or one.keys() != other.keys():
        return "any"
    ((kind, here),), ((_, there),) = one.items(), other.items()
    if kind != "record":
        return {kind: _both(here, there)}
    return {kind: {name: _both(here[name], there[name]) for name in here}} if here.keys() == there.keys() else "any"


def error_shape(params: tuple[str, ...]) -> list[str]:
    """Of each parameter of an error, whether it is a ref, a number or any text."""
    return ["ref" if text.startswith("OpaqueRef:") else "number" if _NUMBER(text) else "text" for text in params]
