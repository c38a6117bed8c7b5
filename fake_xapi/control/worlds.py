"""Worlds as people look at them: their objects, differences, and history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from fake_xapi.control.errors import NotFound, nothing_called
from fake_xapi.control.journal import Entry, Journal
from fake_xapi.engine.marshal import marshaller
from fake_xapi.engine.records import record, visible_fields
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.ids import class_of
from fake_xapi.state.row import Row
from fake_xapi.state.value import Change
from fake_xapi.state.world import World

HIDDEN_CLASSES = frozenset({"session", "secret"})
"""Whoever reads these could impersonate somebody."""


def world_summary(xapi: Xapi, journal: Journal | None) -> dict[str, Any]:
    """The size of a world, and how far back its journal goes."""
    world = xapi.world
    return {
        "generation": world.generation,
        "seed": world.seed,
        "release": world.personality.name,
        "era": world.personality.era,
        "objects": {cls: count for cls in sorted(world.personality.classes) if (count := world.count(cls))},
        "disks": sum(1 for _ in xapi.disks.keys()),  # noqa: SIM118  # no mapping
        "journal": None
        if journal is None
        else {"most": journal.most, "kept": len(journal.entries), "oldest": journal.entries[0].generation},
    }


def objects(world: World, cls: str, after: int, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Records of a class after a number, oldest first; with the number after which to continue, 0 at the end.

    NotFound for a class that the release lacks, or that holds secrets.
    """
    known = sorted(set(world.personality.classes) - HIDDEN_CLASSES)
    if cls in HIDDEN_CLASSES:
        raise NotFound(f"objects of class {cls} are secrets, and are shown to nobody; ask XenAPI with a session of your own")
    if cls not in known:
        raise nothing_called("class", cls, known)
    ids = sorted(identity for identity in world.ids(cls) if identity > after)
    page = ids[:limit]
    return [{"ref": world.ref(identity), "record": shown(record(world, identity))} for identity in page], page[-1] if len(
        ids
    ) > limit else 0


def shown(value: Any) -> Any:
    """A wire value as JSON."""
    if isinstance(value, dict):
        return {key: shown(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [shown(member) for member in value]
    return str(value) if isinstance(value, str) else int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def entry_line(entry: Entry, date: str) -> dict[str, Any]:
    """One generation of a journal."""
    return {"generation": entry.generation, "date": date, "cause": entry.cause, "touched": list(entry.touched)}


def counted(changes: Iterable[Change]) -> dict[str, dict[str, int]]:
    """The number of objects of each class that were added, changed and removed."""
    counts: dict[str, Counter[str]] = {}
    for change in changes:
        counts.setdefault(class_of(change.identity), Counter())[_kind(change)] += 1
    return {cls: dict(kinds) for cls, kinds in sorted(counts.items())}


def listed(world: World, changes: Sequence[Change], limit: int) -> list[dict[str, Any]]:
    """The differences, object by object."""
    visible = (change for change in sorted(changes, key=lambda change: change.identity) if class_of(change.identity) not in HIDDEN_CLASSES)
    return [_line(world, change) for change, _ in zip(visible, range(limit), strict=False)]


def _line(world: World, change: Change) -> dict[str, Any]:
    return {
        "class": class_of(change.identity),
        "ref": world.ref(change.identity),
        "name_label": _label(change),
        "kind": _kind(change),
        "fields": _fields(world, change),
    }


def _kind(change: Change) -> str:
    return "added" if change.old is None else "removed" if change.new is None else "changed"


def _label(change: Change) -> str:
    row = change.new or change.old
    return str(row["name_label"]) if row is not None and "name_label" in row.layout.index else ""


def _fields(world: World, change: Change) -> dict[str, list[Any]]:
    """Each field that differs, before and after; none for objects that were added or removed."""
    old, new = change.old, change.new
    if old is None or new is None or old.cls not in world.personality.classes:
        return {}
    fields = visible_fields(world.personality, old.cls)
    return {
        field.name: [_cell(world, field.type, old, field.name), _cell(world, field.type, new, field.name)]
        for field in fields
        if old[field.name] != new[field.name]
    }


def _cell(world: World, kind: Any, row: Row, name: str) -> Any:
    return shown(marshaller(kind)(world, row[name]))
