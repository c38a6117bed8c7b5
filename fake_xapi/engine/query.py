"""The expressions of ``get_all_records_where``: ``field "name__label" = "x" and not (field "is_a_template" = "true")``.

Values are compared as the database's texts: "true", a decimal, a ref, "()" for what is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.types import Type
from fake_xapi.state.database_text import text_of
from fake_xapi.state.ids import Id
from fake_xapi.state.layout import layouts
from fake_xapi.state.row import Row
from fake_xapi.state.world import World

Predicate = Callable[[World, Id, Row], bool]
Term = Callable[[World, Id, Row], str | None]
MAX_DEPTH = 64
"""The nesting of parentheses and ``not``: real queries do not need more, and each level takes room on the stack."""

_TOKENS = re.compile(r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z_]+)|(?P<mark>[()=]))""")


class _Bad(ValueError):
    """A malformed expression."""


def matching(world: World, cls: str, expression: str) -> list[Id]:
    """The objects of a class that match an expression; INVALID_VALUE [expr, reason] for a malformed one."""
    try:
        predicate = _compiled(cls, expression)
    except _Bad as error:
        raise Failure("INVALID_VALUE", expression, str(error)) from error
    return [identity for identity, row in world.rows(cls) if predicate(world, identity, row)]


@lru_cache(maxsize=512)
def _compiled(cls: str, expression: str) -> Predicate:
    return _Parser(cls, expression).whole()


class _Parser:
    """Recursive descent; ``or`` binds weaker than ``and``, ``not`` binds strongest."""

    def __init__(self, cls: str, expression: str) -> None:
        self._layout = layouts()[cls]
        self._columns = _columns(cls)
        self._tokens = _tokens(expression)
        self._place = 0
        self._depth = 0

    def whole(self) -> Predicate:
        predicate = self._either()
        if self._place != len(self._tokens):
            raise _Bad(f"unexpected {self._tokens[self._place]}")
        return predicate

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise _Bad("unexpected end")
        self._place += 1
        return token

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._place += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise _Bad(f"expected {token}, found {self._peek() or 'the end'}")

    def _either(self) -> Predicate:
        parts = [self._both()]
        while self._accept("or"):
            parts.append(self._both())
        return _any(parts) if len(parts) > 1 else parts[0]

    def _both(self) -> Predicate:
        parts = [self._single()]
        while self._accept("and"):
            parts.append(self._single())
        return _all(parts) if len(parts) > 1 else parts[0]

    def _single(self) -> Predicate:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Bad(f"more than {MAX_DEPTH} expressions inside one another")
        try:
            return self._bare()
        finally:
            self._depth -= 1

    def _bare(self) -> Predicate:
        if self._accept("not"):
            return _not(self._single())
        if self._accept("("):
            inside = self._either()
            self._expect(")")
            return inside
        if self._peek() in ("true", "false"):
            answer = self._take() == "true"
            return lambda world, identity, row: answer
        left = self._term()
        self._expect("=")
        return _equal(left, self._term())

    def _term(self) -> Term:
        if self._accept("field"):
            return self._column(_unquoted(self._take()))
        return _literal(_unquoted(self._take()))

    def _column(self, column: str) -> Term:
        if column in ("uuid", "_ref"):
            return _UNSTORED[column]
        if column not in self._columns:
            return lambda world, identity, row: None
        return _stored(self._columns[column], datamodel().classes[self._layout.cls].fields[self._columns[column]].type)


def _tokens(expression: str) -> list[str]:
    found, place = [], 0
    text = expression.rstrip()
    while place < len(text):
        token = _TOKENS.match(text, place)
        if token is None:
            raise _Bad(f"cannot read {text[place:]!r}")
        found.append(token.group().strip())
        place = token.end()
    return found


def _unquoted(token: str) -> str:
    if token[0] not in "\"'":
        raise _Bad(f"expected a quoted text, found {token}")
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _any(parts: list[Predicate]) -> Predicate:
    return lambda world, identity, row: any(part(world, identity, row) for part in parts)


def _all(parts: list[Predicate]) -> Predicate:
    return lambda world, identity, row: all(part(world, identity, row) for part in parts)


def _not(inside: Predicate) -> Predicate:
    return lambda world, identity, row: not inside(world, identity, row)


def _equal(left: Term, right: Term) -> Predicate:
    def equal(world: World, identity: Id, row: Row) -> bool:
        found = left(world, identity, row)
        return found is not None and found == right(world, identity, row)

    return equal


def _literal(text: str) -> Term:
    return lambda world, identity, row: text


_UNSTORED: dict[str, Term] = {
    "uuid": lambda world, identity, row: world.uuid(identity),
    "_ref": lambda world, identity, row: world.ref(identity),
}


def _stored(index: int, kind: Type) -> Term:
    return lambda world, identity, row: text_of(world, kind, row.values[index])


@lru_cache(maxsize=128)
def _columns(cls: str) -> dict[str, int]:
    return {field.column: layouts()[cls].index[field.name] for field in datamodel().classes[cls].fields}
