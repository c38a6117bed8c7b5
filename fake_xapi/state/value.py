"""One state of a world: an immutable value, cheap to keep, to compare and to restore."""

from __future__ import annotations

from bisect import insort
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from immutables import Map

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.model import Relation
from fake_xapi.state.ids import CLASS_MASK, NULL, Id, class_names, number_of
from fake_xapi.state.layout import Layout, layouts, layouts_by_number
from fake_xapi.state.row import Row

K = TypeVar("K")
V = TypeVar("V")
Table = Map[Id, Row]


@dataclass(frozen=True, slots=True)
class Value:
    """Tables by class number, indexes of names and forced uuids, and the number of objects ever created in each class."""

    tables: tuple[Table, ...]
    names: Map[tuple[int, str], tuple[Id, ...]]
    uuids: Map[str, Id]
    ordinals: tuple[int, ...]
    generation: int

    @classmethod
    def empty(cls) -> Value:
        """A world without any objects."""
        count = len(class_names())
        return cls((Map(),) * count, Map(), Map(), (0,) * count, 0)

    def get(self, identity: Id) -> Row | None:
        """The object of an id, None when it is not there."""
        return self.tables[identity & CLASS_MASK].get(identity)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object: ``old`` is None when it was created, ``new`` when it was destroyed."""

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


def restored(now: Value, then: Value, keeping: Container[str] = ()) -> tuple[Value, tuple[Change, ...]] | None:
    """The next state, made equal to ``then``, and its changes; None when there are none. Classes in ``keeping`` stay as they are."""
    classes = class_names()
    differences = [change for change in diff(now, then) if classes[number_of(change.identity)] not in keeping]
    if not differences:
        return None
    generation = now.generation + 1
    changes = [Change(change.identity, change.old, _anew(change, generation)) for change in _rejoined(now, differences, keeping)]
    rows = [(number_of(change.identity), row) for change in changes for row in (change.old, change.new) if row is not None]
    labels = _as_then(now.names, then.names, [(number, label) for number, row in rows if (label := _cell(row, "name_index")) is not None])
    uuids = _as_then(now.uuids, then.uuids, [uuid for _, row in rows if (uuid := _cell(row, "uuid_index")) is not None])
    return Value(tables_after(now.tables, changes), labels, uuids, now.ordinals, generation), tuple(changes)


def _rejoined(now: Value, changes: list[Change], keeping: Container[str]) -> list[Change]:
    """The changes, with relations between restored and kept objects made consistent: a task's session may be gone."""
    after = {change.identity: change for change in changes}
    for relation in datamodel().relations:
        if relation.to_class in keeping and relation.from_class not in keeping:
            _rejoin(now, after, layouts()[relation.from_class], layouts()[relation.to_class], relation)
    return list(after.values())


def _rejoin(now: Value, after: dict[Id, Change], source: Layout, target: Layout, relation: Relation) -> None:
    here, there = source.index[relation.from_field], target.index[relation.to_field]
    kept = now.tables[target.number]
    members: dict[Id, list[Id]] = {identity: [] for identity in kept}
    for identity, row in tables_after(now.tables, list(after.values()))[source.number].items():
        other: Id = row.values[here]
        if other in members:
            members[other].append(identity)
        elif other:
            after[identity] = Change(identity, now.get(identity), _with(row, here, NULL))
    for identity, row in kept.items():
        if row.values[there] != (found := tuple(sorted(members[identity]))):
            after[identity] = Change(identity, row, _with(row, there, found))


def _with(row: Row, place: int, cell: object) -> Row:
    return Row(row.layout, (*row.values[:place], cell, *row.values[place + 1 :]), row.created, row.modified)


def _as_then(now: Map[K, V], then: Map[K, V], keys: Iterable[K]) -> Map[K, V]:
    """An index restored for some keys."""
    for key in keys:
        if key in then:
            now = now.set(key, then[key])
        elif key in now:
            now = now.delete(key)
    return now


def _cell(row: Row, index: str) -> str | None:
    """The key of a row in an index; None for a class that the index does not cover."""
    place: int = getattr(row.layout, index)
    return None if place < 0 else str(row.values[place])


def _anew(change: Change, generation: int) -> Row | None:
    """A row as it will be: one that exists again counts as created again."""
    if change.new is None:
        return None
    created = generation if change.old is None else change.old.created
    return Row(change.new.layout, change.new.values, created, generation)


def without(members: tuple[Id, ...], identity: Id) -> tuple[Id, ...]:
    """The members but one, in their order; a long set of refs is copied in C."""
    kept = list(members)
    kept.remove(identity)
    return tuple(kept)


def within(members: tuple[Id, ...], identity: Id) -> tuple[Id, ...]:
    """The members with one more, oldest first, so that the order does not depend on how they got their names."""
    if not members or members[-1] < identity:
        return (*members, identity)
    more = list(members)
    insort(more, identity)
    return tuple(more)


def tables_after(tables: tuple[Table, ...], changes: list[Change]) -> tuple[Table, ...]:
    """The tables after some changes."""
    made = list(tables)
    by_table: dict[int, list[Change]] = {}
    for change in changes:
        by_table.setdefault(number_of(change.identity), []).append(change)
    for number, members in by_table.items():
        if len(members) == 1 and members[0].new is not None:
            made[number] = made[number].set(members[0].identity, members[0].new)
            continue
        mutation = made[number].mutate()
        for change in members:
            if change.new is None:
                del mutation[change.identity]
            else:
                mutation[change.identity] = change.new
        made[number] = mutation.finish()
    return tuple(made)


def names_after(names: Map[tuple[int, str], tuple[Id, ...]], changes: list[Change]) -> Map[tuple[int, str], tuple[Id, ...]]:
    """The index of name_labels after some changes."""
    for change in changes:
        number = number_of(change.identity)
        layout = layouts_by_number()[number]
        index = layout.name_index if layout else -1
        if index < 0:
            continue
        old = change.old.values[index] if change.old else None
        new = change.new.values[index] if change.new else None
        if old == new:
            continue
        if old is not None:
            left = without(names[number, old], change.identity)
            names = names.set((number, old), left) if left else names.delete((number, old))
        if new is not None:
            names = names.set((number, new), within(names.get((number, new), ()), change.identity))
    return names


def uuids_after(uuids: Map[str, Id], changes: list[Change]) -> Map[str, Id]:
    """The index of forced uuids after some changes."""
    for change in changes:
        layout = layouts_by_number()[number_of(change.identity)]
        index = layout.uuid_index if layout else -1
        if index < 0:
            continue
        old = change.old.values[index] if change.old else ""
        new = change.new.values[index] if change.new else ""
        if old != new:
            uuids = uuids.delete(old) if old and uuids.get(old) == change.identity else uuids  # another may bear it by now
            uuids = uuids.set(new, change.identity) if new else uuids
    return uuids
