"""Whether an answer has the shape that was recorded from another server: kinds of values and sets of fields, never their content.

A shape is "text", "number", "bool", "date", "ref", "any", ``{"list": shape}``, ``{"map": shape}`` or ``{"record": {field: shape}}``;
null is any. May not know servers.
"""

from __future__ import annotations

import re
import xmlrpc.client  # the official client makes dates of its type
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

MOST: Final = 12
"""How many differences of one answer are shown."""
_DATE: Final = re.compile(r"\d{8}T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)?")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|-?(?:inf|nan)")

SCALARS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: type(value) in (int, float) or (isinstance(value, str) and _NUMBER.fullmatch(value) is not None),
    "bool": lambda value: isinstance(value, bool),
    "date": lambda value: isinstance(value, xmlrpc.client.DateTime) or (isinstance(value, str) and _DATE.fullmatch(value) is not None),
    "ref": lambda value: isinstance(value, str) and (value.startswith("OpaqueRef:") or not value),
    "any": lambda _: True,
}


def differences(shape: Any, value: Any, where: str = "the answer") -> Iterator[str]:
    """How a value differs from a shape, one sentence each."""
    if shape is None:
        return
    if isinstance(shape, str):
        if not SCALARS[shape](value):
            yield f"{where}: expected {shape}, found {_shown(value)}"
        return
    ((kind, inside),) = shape.items()
    yield from _NESTED[kind](inside, value, where)


def _of_list(inside: Any, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where}: expected a list, found {_shown(value)}"
        return
    for place, member in enumerate(value):
        yield from differences(inside, member, f"{where}[{place}]")


def _of_map(inside: Any, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: expected a map, found {_shown(value)}"
        return
    for member in value.values():
        yield from differences(inside, member, f"each of {where}")


def _of_record(inside: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: expected a record, found {_shown(value)}"
        return
    for title, names in (("lacks", inside.keys() - value.keys()), ("has besides", value.keys() - inside.keys())):
        if names:
            yield f"{where} {title} {', '.join(sorted(names))}"
    for name in inside.keys() & value.keys():
        yield from differences(inside[name], value[name], f"{where}.{name}")


_NESTED: Final[Mapping[str, Callable[[Any, Any, str], Iterator[str]]]] = {"list": _of_list, "map": _of_map, "record": _of_record}


def told(found: Iterator[str]) -> list[str]:
    """Differences for people: each only once, and no more than anybody would read."""
    once = list(dict.fromkeys(found))
    return once if len(once) <= MOST else [*once[:MOST], f"and {len(once) - MOST} more"]


def error_differences(expected: tuple[str, list[str]], details: list[str]) -> list[str]:
    """How a refusal differs from the recording: its code, the number of its parameters, and which of them are refs or numbers."""
    code, kinds = expected
    if details[0] != code:
        return [f"expected {code}, was refused with {details}"]
    if len(details) - 1 != len(kinds):
        return [f"expected {code} with {len(kinds)} parameters, found {len(details) - 1}: {details[1:]}"]
    pairs = enumerate(zip(kinds, details[1:], strict=True), start=1)
    return [f"parameter {place} of {code}: expected {kind}, found {text!r}" for place, (kind, text) in pairs if not SCALARS[kind](text)]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."
