"""Values as the texts that XAPI's own database keeps of them: ``true``, a decimal, a ref, ``('a' 'b')``, ``(('key' 'value'))``.

Queries compare them, dumps of the database show them, and a snapshot keeps its VM in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fake_xapi.datamodel.types import NULL_REF, Type
from fake_xapi.state.ids import NULL, class_of
from fake_xapi.state.world import World

Told = str | list["Told"]
"""A list as it was read: texts, and lists of them."""

_TOKEN = re.compile(r"\s*(?:(?P<mark>[()])|'(?P<text>(?:[^'\\]|\\.)*)')", re.DOTALL)
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "'": "\\'"})


def quoted(text: str) -> str:
    """A text as a member of a list."""
    return f"'{text.translate(_ESCAPED)}'"


def listed(members: Iterable[str]) -> str:
    """Members, each quoted or a list itself, as a list."""
    return f"({' '.join(members)})"


def read_list(text: str) -> list[Told]:
    """The members of a list; ValueError for what is none."""
    outermost: list[Told] = []
    enclosing = [outermost]
    place, end = 0, len(text.rstrip())
    while place < end:
        token = _TOKEN.match(text, place)
        if token is None or (len(enclosing) == 1 and (outermost or token["mark"] != "(")):
            raise ValueError(f"not a list: {text[place : place + 40]!r}")
        place = token.end()
        if token["mark"] == "(":
            inner: list[Told] = []
            enclosing[-1].append(inner)
            enclosing.append(inner)
        elif token["mark"] == ")":
            enclosing.pop()
        else:
            enclosing[-1].append(re.sub(r"\\(.)", r"\1", token["text"], flags=re.DOTALL))
    if len(enclosing) != 1 or not outermost:
        raise ValueError("a list that does not end")
    (members,) = outermost
    return list(members)


def pairs_in(members: Iterable[Told]) -> Iterator[tuple[str, Told]]:
    """Members that are lists of a text and something each; ValueError for others."""
    for member in members:
        if isinstance(member, str) or len(member) != 2 or not isinstance(member[0], str):
            raise ValueError(f"not a list of two: {member!r}")
        yield member[0], member[1]


def text_of(world: World, kind: Type, value: Any) -> str:
    """A state value of a type as a text."""
    return _TEXTS.get(kind.kind, _plain)(world, kind, value)


def _plain(_world: World, _kind: Type, value: Any) -> str:
    return str(value)


def _ref(world: World, _kind: Type, value: Any) -> str:
    return world.ref(value) if value else NULL_REF


def _set(world: World, kind: Type, value: Any) -> str:
    return listed(_member(world, kind.element, member) for member in value)


def _map(world: World, kind: Type, value: Any) -> str:
    key_kind = kind.key or Type("string")
    return listed(listed((_member(world, key_kind, key), _member(world, kind.element, member))) for key, member in value.items())


def _option(world: World, kind: Type, value: Any) -> str:
    return "" if value is None else text_of(world, kind.element, value)


def _member(world: World, kind: Type, value: Any) -> str:
    text = text_of(world, kind, value)
    return text if kind.kind in ("set", "map") else quoted(text)


_TEXTS: Mapping[str, Callable[[World, Type, Any], str]] = {
    "bool": lambda _world, _kind, value: "true" if value else "false",
    "float": lambda _world, _kind, value: f"{value:.18g}",
    "ref": _ref,
    "set": _set,
    "map": _map,
    "option": _option,
}


def value_of(world: World, kind: Type, text: str) -> Any:
    """A text as a state value of a type, a ref that leads nowhere as NULL; ValueError for what is no value of it."""
    return _VALUES.get(kind.kind, _as_it_is)(world, kind, text)


def _as_it_is(_world: World, _kind: Type, text: str) -> Any:
    return text


def _object(world: World, kind: Type, text: str) -> Any:
    identity = world.find_ref(text)
    return identity if identity and class_of(identity) == kind.name and world.get(identity) is not None else NULL


def _members(world: World, kind: Type, text: str) -> Any:
    return _members_of(world, kind, read_list(text))


def _members_of(world: World, kind: Type, told: list[Told]) -> Any:
    """A list that was read, as a set or a map; refs that lead nowhere are missing from sets."""
    if kind.kind == "map":
        return {key: _inner(world, kind.element, value) for key, value in pairs_in(told)}
    members = tuple(_inner(world, kind.element, member) for member in told)
    return tuple(member for member in members if member) if kind.is_ref_set else members


def _inner(world: World, kind: Type, told: Told) -> Any:
    return value_of(world, kind, told) if isinstance(told, str) else _members_of(world, kind, told)


_VALUES: Mapping[str, Callable[[World, Type, str], Any]] = {
    "int": lambda _world, _kind, text: int(text),
    "float": lambda _world, _kind, text: float(text),
    "bool": lambda _world, _kind, text: text == "true",
    "ref": _object,
    "set": _members,
    "map": _members,
}
