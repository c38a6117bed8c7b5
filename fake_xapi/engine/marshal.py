"""Conversion between state values and wire values, by the types of the datamodel.

One small function per type, made once. May not know messages, sessions or transports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.types import NULL_REF, Type
from fake_xapi.datamodel.wire import DateTime, xml_value
from fake_xapi.state.ids import Id, class_of
from fake_xapi.state.world import World

Marshal = Callable[[World, Any], Any]
"""From a state value to a wire value."""


class Dead(int):
    """Stands for a dangling ref; the engine refuses it once the caller is known."""

    ref: str
    cls: str

    @classmethod
    def of(cls, kind: str, ref: str) -> Dead:
        """The dangling ref of a class."""
        dead = cls(0)
        dead.cls, dead.ref = kind, ref
        return dead


Unmarshal = Callable[[World, Any], Any]
"""From a wire value to a state value; Failure when it is of another type; ``Dead`` for a dangling ref."""


def mismatch(world: World, expected: str, got: object) -> Failure:
    """XAPI's error for a parameter of the wrong type, as worded in its era."""
    if world.personality.era in ("boston", "tampa"):
        return Failure("XMLRPC_UNMARSHAL_FAILURE", expected, _as_sent(got))
    return internal_error(f"""Failure("Expected {expected}, got '{printed(got)}'")""")


def _as_sent(value: object) -> str:
    """The XML of a parameter as clients send it: there an int has a type, unlike in XAPI's answers."""
    return f"<value><int>{value}</int></value>" if type(value) is int else xml_value(value)


def internal_error(text: str) -> Failure:
    """INTERNAL_ERROR with the exception's text."""
    return Failure("INTERNAL_ERROR", text)


def printed(value: object, depth: int = 0) -> str:
    """A wire value as XAPI prints it in an error; too deeply nested parts are left out."""
    if depth > PRINTED_DEPTH:
        return "..."
    return next(show(value, depth + 1) for kind, show in _PRINTED if isinstance(value, kind))


PRINTED_DEPTH = 32
_PRINTED: tuple[tuple[type, Callable[[Any, int], str]], ...] = (
    (bool, lambda v, _: f"B({str(v).lower()})"),
    (int, lambda v, _: f"I({v})"),
    (float, lambda v, _: f"F({v:.16g})"),
    (DateTime, lambda v, _: f"D({v})"),
    (str, lambda v, _: f"S({v})"),
    (list, lambda v, depth: "[" + ";".join(printed(m, depth) for m in v) + "]"),
    (dict, lambda v, depth: "{" + ";".join(f"{k}:{printed(m, depth)}" for k, m in v.items()) + "}"),
    (object, lambda v, _: "N"),
)


@cache
def marshaller(kind: Type) -> Marshal:
    """The function that turns state values of a type into wire values."""
    return _MARSHAL[kind.kind] if kind.kind in _MARSHAL else _NESTED_MARSHAL[kind.kind](kind)


def _same(world: World, value: Any) -> Any:
    return value


def _ref_out(world: World, value: Id) -> str:
    return world.ref(value) if value else NULL_REF


def _set_out(kind: Type) -> Marshal:
    inner = marshaller(kind.element)
    return lambda world, value: [inner(world, member) for member in value]


def _map_out(kind: Type) -> Marshal:
    inner = marshaller(kind.element)
    key_out = _ref_out if kind.key is not None and kind.key.is_ref else _text_out
    return lambda world, value: {key_out(world, key): inner(world, member) for key, member in value.items()}


def _text_out(world: World, value: Any) -> str:
    return str(value)


def _option_out(kind: Type) -> Marshal:
    inner = marshaller(kind.element)
    return lambda world, value: None if value is None else inner(world, value)


def _record_out(kind: Type) -> Marshal:
    def out(world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        fields = world.personality.classes[kind.name].fields
        return {field.name: marshaller(field.type)(world, value[field.name]) for field in fields if field.name in value}

    return out


_MARSHAL: Mapping[str, Marshal] = {
    "string": _same,
    "int": _same,
    "float": _same,
    "bool": _same,
    "enum": _same,
    "void": lambda world, value: "",
    "datetime": lambda world, value: DateTime(value),
    "ref": _ref_out,
}
_NESTED_MARSHAL: Mapping[str, Callable[[Type], Marshal]] = {"set": _set_out, "map": _map_out, "option": _option_out, "record": _record_out}


@cache
def unmarshaller(kind: Type) -> Unmarshal:
    """The function that turns wire values of a type into state values."""
    return _UNMARSHAL[kind.kind] if kind.kind in _UNMARSHAL else _NESTED_UNMARSHAL[kind.kind](kind)


def _string_in(world: World, value: Any) -> str:
    if type(value) is not str:
        raise mismatch(world, "string", value)
    return value


def texts_in(world: World, value: Any) -> dict[str, str]:
    """A map of texts that also accepts numbers: OpenStack's drivers send them to plugins."""
    if not isinstance(value, dict):
        raise mismatch(world, "dict", value)
    return {key: _string_in(world, _number_as_text(member)) for key, member in value.items()}


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


def _int_in(world: World, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        number: int | None = int(value)
    elif isinstance(value, str):
        number = _number(value)
    else:
        raise mismatch(world, "int64", value)
    if number is None or not -(1 << 63) <= number < 1 << 63:
        raise (
            mismatch(world, "int64", value)
            if world.personality.era in ("boston", "tampa")
            else internal_error('Failure("Int64.of_string")')
        )
    return number


_INTEGER = re.compile(r"(-?)(?:([0-9][0-9_]{0,40})|0[xX]([0-9a-fA-F][0-9a-fA-F_]{0,40}))").fullmatch


def _number(text: str) -> int | None:
    """The value of a text as OCaml reads integers, None for any other: underscores are ignored, hexadecimal digits are 64 bits."""
    found = _INTEGER(text)
    if found is None:
        return None
    sign, decimal, bits = found.groups()
    magnitude = int(decimal.replace("_", "")) if bits is None else _signed(int(bits.replace("_", ""), 16))
    return -magnitude if sign else magnitude


def _signed(bits: int) -> int:
    """64 bits as a signed number; longer ones are left unchanged."""
    return bits - (1 << 64) if 1 << 63 <= bits < 1 << 64 else bits


def _bool_in(world: World, value: Any) -> bool:
    if not isinstance(value, bool):
        raise mismatch(world, "bool", value)
    return value


def _float_in(world: World, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise mismatch(world, "float", value)
    try:
        return float(value)
    except ValueError as error:
        raise internal_error('Failure("float_of_string")') from error


def _date_in(world: World, value: Any) -> str:
    if not isinstance(value, str):
        raise mismatch(world, "datetime", value)
    found = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d)(Z|[+-]\d\d:?\d\d)?", value)
    if found is None:
        raise mismatch(world, "datetime", value)
    year, month, day, time, zone = found.groups()
    return f"{year}{month}{day}T{time}{zone or 'Z'}"


def _void_in(world: World, value: Any) -> None:
    return None


def _enum_in(kind: Type) -> Unmarshal:
    known = {name.lower(): name for name in datamodel().enums[kind.name]}

    def enter(world: World, value: Any) -> str:
        found = known.get(_string_in(world, value).lower())
        if found is None:
            raise Failure("INVALID_VALUE", value)
        return found

    return enter


def _ref_in(kind: Type) -> Unmarshal:
    def enter(world: World, value: Any) -> Id:
        if type(value) is not str:
            raise mismatch(world, "string", value)
        if value in (NULL_REF, ""):
            return 0
        identity = world.find_ref(value)
        if not identity or class_of(identity) != kind.name or world.get(identity) is None:
            return Dead.of(kind.name, value)
        return identity

    return enter


def _set_in(kind: Type) -> Unmarshal:
    inner = unmarshaller(kind.element)

    def enter(world: World, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise mismatch(world, "list", value)
        return [inner(world, member) for member in value]

    return enter


def _map_in(kind: Type) -> Unmarshal:
    inner = unmarshaller(kind.element)
    key_in = unmarshaller(kind.key) if kind.key is not None else _string_in

    def enter(world: World, value: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise mismatch(world, "dict", value)
        return {key_in(world, key): inner(world, member) for key, member in value.items()}

    return enter


def _option_in(kind: Type) -> Unmarshal:
    inner = unmarshaller(kind.element)
    return lambda world, value: None if value is None else inner(world, value)


def _record_in(kind: Type) -> Unmarshal:
    def enter(world: World, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise internal_error(f'Failure("bad __structure {printed(value)}")')
        return record_in(world, kind.name, value)

    return enter


def record_in(world: World, cls: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The settable fields of a create record; all others are ignored, a missing required one is refused."""
    given: dict[str, Any] = {}
    for field in world.personality.classes[cls].fields:
        if field.qualifier == "DynamicRO":
            continue
        if field.name in value:
            entered = unmarshaller(field.type)(world, value[field.name])
            given[field.name] = tuple(entered) if isinstance(entered, list) else entered
        elif field.is_required_in_create:
            raise internal_error(f'Dispatcher_FieldNotFound("{field.name}")')
    return given


def fields_in(world: World, cls: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a whole record that the release knows; dangling refs become NULL, and are dropped from sets."""
    known = (field for field in world.personality.classes[cls].fields if field.name in value and not field.is_internal)
    return {field.name: _alive(unmarshaller(field.type)(world, value[field.name])) for field in known}


def _alive(value: Any) -> Any:
    """A state value without dangling refs, as it is stored."""
    match value:
        case Dead():
            return 0
        case list():
            return tuple(_alive(member) for member in value if not isinstance(member, Dead))
        case dict():
            return {key: _alive(member) for key, member in value.items() if not isinstance(key, Dead)}
    return value


_UNMARSHAL: Mapping[str, Unmarshal] = {
    "string": _string_in,
    "int": _int_in,
    "float": _float_in,
    "bool": _bool_in,
    "datetime": _date_in,
    "void": _void_in,
}
_NESTED_UNMARSHAL: Mapping[str, Callable[[Type], Unmarshal]] = {
    "enum": _enum_in,
    "ref": _ref_in,
    "set": _set_in,
    "map": _map_in,
    "option": _option_in,
    "record": _record_in,
}


def first_dead(value: Any) -> Dead | None:
    """The first dangling ref in a state value."""
    if isinstance(value, Dead):
        return value
    if isinstance(value, list | tuple):
        return next((dead for member in value if (dead := first_dead(member)) is not None), None)
    if isinstance(value, dict):
        return first_dead([*value.values(), *value])
    return None
