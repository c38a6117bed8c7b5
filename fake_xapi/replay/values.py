"""From values of a recording to values of the state, by the types of the datamodel: both wires' forms, and refs of another server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fake_xapi.datamodel.types import STRING, Type
from fake_xapi.state.ids import Id

_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d:?\d\d:?\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?").fullmatch


class Refs(Protocol):
    """The other server's refs."""

    def find(self, cls: str, ref: str) -> Id:
        """The object of a class that a ref leads to, NULL when it leads nowhere."""
        ...

    def rewritten(self, text: str) -> str:
        """A text with this world's refs in the place of the other's: addresses of consoles have some."""
        ...


class Misfit(ValueError):
    """A value that is of another type than its field."""

    def __init__(self, value: Any, wanted: str) -> None:
        super().__init__(f"{str(value)[:60]!r} is no {wanted}")


def state_value(kind: Type, value: Any, refs: Refs) -> Any:
    """A value as the state keeps it; ValueError when it is of another type."""
    return _READ[kind.kind](kind, value, refs)


def _text(_kind: Type, value: Any, refs: Refs) -> str:
    if not isinstance(value, str):
        raise Misfit(value, "text")
    return refs.rewritten(value) if "OpaqueRef:" in value else value


def _int(_kind: Type, value: Any, _refs: Refs) -> int:
    return int(_scalar(value))


def _float(_kind: Type, value: Any, _refs: Refs) -> float:
    return float(_scalar(value))


def _scalar(value: Any) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Misfit(value, "number")
    return value


def _bool(_kind: Type, value: Any, _refs: Refs) -> bool:
    if not isinstance(value, bool):
        raise Misfit(value, "boolean")
    return value


def _date(_kind: Type, value: Any, _refs: Refs) -> str:
    found = _DATE(value) if isinstance(value, str) else None
    if found is None:
        raise Misfit(value, "date")
    year, month, day, time, zone = found.groups()
    return f"{year}{month}{day}T{time}{zone or 'Z'}"


def _ref(kind: Type, value: Any, refs: Refs) -> Id:
    if not isinstance(value, str):
        raise Misfit(value, "ref")
    return refs.find(kind.name, value)


def _set(kind: Type, value: Any, refs: Refs) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise Misfit(value, "set")
    members = (state_value(kind.element, member, refs) for member in value)
    return tuple(member for member in members if member or not kind.is_ref_set)


def _map(kind: Type, value: Any, refs: Refs) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise Misfit(value, "map")
    key_kind = kind.key or STRING
    return {state_value(key_kind, key, refs): state_value(kind.element, member, refs) for key, member in value.items()}


def _option(kind: Type, value: Any, refs: Refs) -> Any:
    return None if value is None else state_value(kind.element, value, refs)


def _record(_kind: Type, value: Any, _refs: Refs) -> Any:
    raise Misfit(value, "record")


_READ: Mapping[str, Callable[[Type, Any, Refs], Any]] = {
    "string": _text, "enum": _text, "int": _int, "float": _float, "bool": _bool, "datetime": _date, "void": _text,
    "ref": _ref, "set": _set, "map": _map, "option": _option, "record": _record,
}  # fmt: skip
