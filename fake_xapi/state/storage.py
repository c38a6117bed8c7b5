"""A world as one file: its differences from a base that the reader has too, or all of it.

In MessagePack, so that nothing in a file can execute. It is written beside its place, then renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fake_xapi.datamodel.personality import personality
from fake_xapi.datamodel.types import Type
from fake_xapi.state.ids import class_names
from fake_xapi.state.layout import Layout, layouts
from fake_xapi.state.row import Row
from fake_xapi.state.unseen import stored_classes
from fake_xapi.state.value import Change, Value, diff, names_after, tables_after, uuids_after
from fake_xapi.state.world import World

FORMAT = "inova world 1"


class BadWorldFile(ValueError):
    """A file that is not a saved world; the message names the file and the cure."""


def save(world: World, path: Path) -> None:
    """Write a world to one file, all or nothing."""
    write_atomically(path, {"seed": world.seed, "personality": world.personality.name, "state": dump(world.value)})


def load(path: Path) -> World:
    """The world in a file that ``save`` wrote; BadWorldFile for any other."""
    content = read_checked(path)
    return World(restore(content["state"]), content["seed"], personality(content["personality"]))


def write_atomically(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain values with the format's name: to a temporary file first."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(msgspec.msgpack.encode({"format": FORMAT, **content}))
    partial.replace(path)


def read_checked(path: Path) -> Any:
    """The plain values of a file that ``write_atomically`` wrote."""
    try:
        content = msgspec.msgpack.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadWorldFile(f"{path}: not a saved world ({error}); name another file, or remove this one to begin anew") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadWorldFile(f"{path}: not a world of the format {FORMAT!r}; it was written by something else")
    return content


def dump(value: Value, base: Value | None = None) -> dict[str, Any]:
    """The differences of a value from its base, as plain values: sizes only grow with the differences."""
    rows: dict[str, dict[int, Any]] = {}
    gone = []
    for change in diff(base or Value.empty(), value):
        if change.new is None:
            gone.append(change.identity)
        else:
            layout = change.new.layout
            rows.setdefault(layout.cls, {})[change.identity] = _plain(layout, change.new)
    counts = {name: count for name, count in zip(class_names(), value.ordinals, strict=True) if count}
    return {"generation": value.generation, "made": counts, "rows": rows, "gone": gone}


def restore(content: Mapping[str, Any], base: Value | None = None) -> Value:
    """The value that ``dump`` described, over the same base."""
    base = base or Value.empty()
    changes = [Change(identity, base.get(identity), None) for identity in content["gone"]]
    for cls, rows in content["rows"].items():
        layout = layouts()[cls]
        changes += [Change(identity, base.get(identity), _row(layout, plain)) for identity, plain in rows.items()]
    ordinals = tuple(content["made"].get(name, 0) for name in class_names())
    return Value(
        tables_after(base.tables, changes),
        names_after(base.names, changes),
        uuids_after(base.uuids, changes),
        ordinals,
        content["generation"],
    )


def _plain(layout: Layout, row: Row) -> list[Any]:
    cells = zip(layout.names, row.values, layout.defaults, strict=True)
    return [row.created, row.modified, {name: value for name, value, default in cells if value != default}]


def _row(layout: Layout, plain: list[Any]) -> Row:
    created, modified, cells = plain
    values = list(layout.defaults)
    types = {field.name: field.type for field in stored_classes()[layout.cls].fields}
    for name, cell in cells.items():
        values[layout.index[name]] = _thawed(types[name], cell)
    return Row(layout, tuple(values), created, modified)


def _thawed(kind: Type, value: Any) -> Any:
    """A plain value as a state value: sets are tuples."""
    if kind.kind == "set":
        return tuple(_thawed(kind.element, member) for member in value)
    if kind.kind == "map":
        return {key: _thawed(kind.element, member) for key, member in value.items()}
    return value
