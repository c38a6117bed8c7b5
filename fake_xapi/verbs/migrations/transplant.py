"""Copies of objects in another world, with their uuids: refs among them lead to the copies, all other refs to nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from fake_xapi.datamodel.types import Type
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.layout import layouts
from fake_xapi.state.unseen import stored_classes
from fake_xapi.state.world import World

_OF_THE_MOMENT = frozenset({"current_operations", "allowed_operations"})


class Transplant:
    """Copies into one edit. ``known`` maps ids of the source to those of the target: objects found there are not copied."""

    def __init__(self, source: World, edit: Edit, known: dict[Id, Id] | None = None) -> None:
        self.known: dict[Id, Id] = known or {}
        self._source = source
        self._edit = edit
        self._made: list[tuple[Id, Id]] = []

    def copy(self, identities: Iterable[Id]) -> None:
        """Create the objects; ``join_up`` sets their refs."""
        for identity in sorted(identities):
            if identity not in self.known:
                row = self._source[identity]
                plain, _ = _fields(row.cls)
                fields: dict[str, Any] = {name: row[name] for name in plain}
                if "uuid" in row.layout.index:
                    fields["uuid"] = self._source.uuid(identity)
                self.known[identity] = self._edit.create(row.cls, **fields)
                self._made.append((identity, self.known[identity]))

    def join_up(self) -> None:
        """Point the refs of all copies to copies."""
        for old, new in self._made:
            row = self._source[old]
            _, linked = _fields(row.cls)
            self._edit.set(new, **{name: self._led(kind, row[name]) for name, kind in linked})

    def _led(self, kind: Type, value: Any) -> Any:
        if kind.kind == "ref":
            return self.known.get(value, 0)
        if kind.kind == "set":
            return tuple(self.known[member] for member in value if member in self.known)
        return {self._key(kind, key): self._value(kind, member) for key, member in value.items() if self._key(kind, key)}

    def _key(self, kind: Type, key: Any) -> Any:
        return self.known.get(key, 0) if kind.key is not None and kind.key.is_ref else key

    def _value(self, kind: Type, value: Any) -> Any:
        return self._led(kind.element, value) if _has_refs(kind.element) else value

    def copy_disks(self, source: DiskStore, target: DiskStore) -> None:
        """Copy the content of the VDIs among the copies; both stores share one file."""
        for old, new in self._made:
            if old in source:
                target.put(new, source[old])


@lru_cache(maxsize=128)
def _fields(cls: str) -> tuple[tuple[str, ...], tuple[tuple[str, Type], ...]]:
    """The fields of a class that are copied as they are, and those with refs that are not mirrors."""
    layout, fields = layouts()[cls], stored_classes()[cls].fields
    own = [field for field in fields if layout.index[field.name] not in layout.mirrors and field.name not in _OF_THE_MOMENT]
    plain = tuple(field.name for field in own if not _has_refs(field.type) and field.name != "uuid")
    return plain, tuple((field.name, field.type) for field in own if _has_refs(field.type))


def _has_refs(kind: Type) -> bool:
    if kind.kind in ("set", "map") and (_has_refs(kind.element) or (kind.key is not None and kind.key.is_ref)):
        return True
    return kind.is_ref
