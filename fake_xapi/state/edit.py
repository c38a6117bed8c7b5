"""One commit in the making: reads see what is pending, mirrors follow, and nothing is seen outside before it is whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Personality
from fake_xapi.state.ids import CLASS_MASK, Id, class_of, make_id
from fake_xapi.state.layout import Layout, Link, layouts
from fake_xapi.state.row import Row
from fake_xapi.state.value import Change, Value, names_after, tables_after, uuids_after, without


class Pending:
    """An object as the edit will leave it: readable like a row."""

    __slots__ = ("is_touched", "layout", "old", "values")

    def __init__(self, layout: Layout, values: list[Any], old: Row | None) -> None:
        self.is_touched = False
        self.layout = layout
        self.values = values
        self.old = old

    def __getitem__(self, field: str) -> Any:
        return self.values[self.layout.index[field]]

    @property
    def cls(self) -> str:
        """The class of the object."""
        return self.layout.cls

    @property
    def is_changed(self) -> bool:
        """Whether it differs from what was there before, or counts as if it did."""
        return self.old is None or self.is_touched or tuple(self.values) != self.old.values


class Edit:
    """Collects writes over one value. Made by ``World.edit``."""

    __slots__ = ("_base", "_gone", "_made", "_open", "_tables", "personality")

    def __init__(self, base: Value, personality: Personality) -> None:
        self._base = base
        self._tables = base.tables
        self._open: dict[Id, Pending] = {}
        self._gone: dict[Id, Row] = {}
        self._made: dict[int, int] = {}
        self.personality = personality

    def __getitem__(self, identity: Id) -> Row | Pending:
        found = self.get(identity)
        if found is None:
            raise Failure("HANDLE_INVALID", class_of(identity), Handle(identity))
        return found

    def get(self, identity: Id) -> Row | Pending | None:
        """The object as it stands in this edit, None when it is not there."""
        pending = self._open.get(identity)
        if pending is not None:
            return pending
        return None if identity in self._gone else self._tables[identity & CLASS_MASK].get(identity)

    def ids(self, cls: str) -> list[Id]:
        """The objects of a class as they stand in this edit, those made in it last."""
        number = layouts()[cls].number
        first = self._base.ordinals[number] + 1
        made = (make_id(number, ordinal) for ordinal in range(first, self._made.get(number, 0) + 1))
        return [identity for identity in (*self._tables[number], *made) if self.get(identity) is not None]

    def named(self, cls: str, label: str) -> tuple[Id, ...]:
        """The objects of a class with that name_label as they stand in this edit, oldest first."""
        layout = layouts()[cls]
        found = [identity for identity in self._base.names.get((layout.number, label), ()) if self._is_named(identity, layout, label)]
        first = self._base.ordinals[layout.number] + 1
        made = (make_id(layout.number, ordinal) for ordinal in range(first, self._made.get(layout.number, 0) + 1))
        return (*found, *(identity for identity in made if self._is_named(identity, layout, label)))

    def _is_named(self, identity: Id, layout: Layout, label: str) -> bool:
        row = self.get(identity)
        return row is not None and row.values[layout.name_index] == label

    def create(self, cls: str, /, **fields: Any) -> Id:
        """A new object; fields that are not given have the datamodel's first values. Returns its id."""
        layout = layouts()[cls]
        ordinal = self._made.get(layout.number, self._base.ordinals[layout.number]) + 1
        self._made[layout.number] = ordinal
        identity = make_id(layout.number, ordinal)
        self._open[identity] = Pending(layout, list(layout.defaults), None)
        self.set(identity, **fields)
        return identity

    def set(self, identity: Id, /, **fields: Any) -> None:
        """Write fields of an object; a value that it has already changes nothing."""
        pending = self._writable(identity)
        layout = pending.layout
        for name, value in fields.items():
            index = layout.index[name]
            old = pending.values[index]
            if old is value or (old == value and type(old) is type(value)):
                continue
            if index in layout.mirrors:
                raise TypeError(f"{layout.cls}.{name} mirrors the other end of a relation: write that end")
            pending.values[index] = value
            link = layout.links.get(index)
            if link is not None:
                self._relink(identity, link, _members(old), _members(value))

    def put(self, identity: Id, field: str, key: str, value: str) -> None:
        """Write one key of a map field."""
        self.set(identity, **{field: {**self[identity][field], key: value}})

    def drop(self, identity: Id, field: str, key: str) -> None:
        """Remove one key of a map field; one that is absent changes nothing."""
        self.set(identity, **{field: {k: v for k, v in self[identity][field].items() if k != key}})

    def destroy(self, identity: Id) -> None:
        """Remove an object; the ends of relations that lead to it become NULL."""
        pending = self._writable(identity)
        for mirror in pending.layout.mirrors.values():
            for other in _members(pending.values[mirror.index]):
                self._forget(other, mirror, identity)
        for link in pending.layout.links.values():
            self._relink(identity, link, _members(pending.values[link.index]), ())
        del self._open[identity]
        if pending.old is not None:
            self._gone[identity] = pending.old

    def touch(self, identity: Id) -> None:
        """Count the object as changed though nothing in it is different (``event.inject``)."""
        self._writable(identity).is_touched = True

    def touched(self) -> list[Id]:
        """The objects that this edit has opened so far."""
        return list(self._open)

    def pending(self, identity: Id) -> Pending:
        """An object that this edit has opened, as it will be left; KeyError for any other."""
        return self._open[identity]

    def _writable(self, identity: Id) -> Pending:
        pending = self._open.get(identity)
        if pending is None:
            row = None if identity in self._gone else self._base.get(identity)
            if row is None:
                raise Failure("HANDLE_INVALID", class_of(identity), Handle(identity))
            pending = self._open[identity] = Pending(row.layout, list(row.values), row)
        return pending

    def _relink(self, identity: Id, link: Link, old: tuple[Id, ...], new: tuple[Id, ...]) -> None:
        for other in old:
            if other not in new and self.get(other) is not None:
                self._unmirror(other, link, identity)
        for other in new:
            if other not in old and self.get(other) is not None:
                values = self._writable(other).values
                members = values[link.other_index]
                values[link.other_index] = (*members, identity) if link.other_is_set else identity

    def _unmirror(self, other: Id, link: Link, identity: Id) -> None:
        values = self._writable(other).values
        if link.other_is_set:
            values[link.other_index] = without(values[link.other_index], identity)
        else:
            values[link.other_index] = 0

    def _forget(self, other: Id, mirror: Link, identity: Id) -> None:
        """The written end of a relation, held by ``other``, no longer leads to ``identity``."""
        if self.get(other) is None:
            return
        values = self._writable(other).values
        held = values[mirror.other_index]
        values[mirror.other_index] = tuple(m for m in held if m != identity) if mirror.other_is_set else 0

    def finish(self) -> tuple[Value, tuple[Change, ...]]:
        """The new value and what changed; the old value itself when nothing did."""
        changed = {identity: pending for identity, pending in self._open.items() if pending.is_changed}
        if not changed and not self._gone:
            return self._base, ()
        generation = self._base.generation + 1
        changes = [*self._rows(changed, generation), *(Change(identity, row, None) for identity, row in self._gone.items())]
        return self._applied(changes, generation), tuple(changes)

    def _rows(self, changed: dict[Id, Pending], generation: int) -> Iterable[Change]:
        for identity, pending in changed.items():
            old = self._base.get(identity)
            created = generation if old is None else old.created
            yield Change(identity, old, Row(pending.layout, tuple(pending.values), created, generation))

    def _applied(self, changes: list[Change], generation: int) -> Value:
        base = self._base
        ordinals = list(base.ordinals) if self._made else base.ordinals
        for number, ordinal in self._made.items():
            ordinals[number] = ordinal  # type: ignore[index]  # a list, by the line above
        return Value(
            tables_after(base.tables, changes),
            names_after(base.names, changes),
            uuids_after(base.uuids, changes),
            tuple(ordinals),
            generation,
        )


def _members(value: Any) -> tuple[Id, ...]:
    """The ids in a ref or ref set field."""
    if isinstance(value, tuple):
        return value
    return (value,) if value else ()
