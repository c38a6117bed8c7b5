"""One state of a world: an immutable value, cheap to keep, to compare and to go back to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from immutables import Map

from fake_xapi.state.ids import Id, class_names, number_of
from fake_xapi.state.row import Row

Table = Map[Id, Row]


@dataclass(frozen=True, slots=True)
class Value:
    """Tables by class number, the names and forced uuids that lead to objects, and how many of each class were ever made."""

    tables: tuple[Table, ...]
    names: Map[tuple[int, str], tuple[Id, ...]]
    uuids: Map[str, Id]
    ordinals: tuple[int, ...]
    generation: int

    @classmethod
    def empty(cls) -> Value:
        """The world before anything is in it."""
        count = len(class_names())
        return cls((Map(),) * count, Map(), Map(), (0,) * count, 0)

    def get(self, identity: Id) -> Row | None:
        """The object of an id, None when it is not there."""
        return self.tables[number_of(identity)].get(identity)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one object: ``old`` is None when it was made, ``new`` when it was destroyed."""

    identity: Id
    old: Row | None
    new: Row | None


def diff(old: Value, new: Value) -> Iterator[Change]:
    """Every object that differs between two states; tables that they share cost nothing."""
    for before, after in zip(old.tables, new.tables, strict=True):
        if before is not after:
            yield from _table_diff(before, after)


def _table_diff(before: Table, after: Table) -> Iterator[Change]:
    for identity, row in before.items():
        other = after.get(identity)
        if other is not row and (other is None or other.values != row.values):
            yield Change(identity, row, other)
    for identity, row in after.items():
        if identity not in before:
            yield Change(identity, None, row)
