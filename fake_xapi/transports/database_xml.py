"""A pool's database as one XML document, in the form in which XAPI keeps it on disk: tables, rows, and values as texts.

Only what is persistent is in it: no session, no task, and no field that is told anew at every start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import quoteattr

from fake_xapi.datamodel.model import Field
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.database_text import text_of
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World


def database_xml(world: World) -> Iterator[str]:
    """The document, table by table."""
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<database><manifest>{_pairs(_manifest(world))}</manifest>'
    for cls, model in sorted(world.personality.classes.items()):
        if model.is_in_database and model.is_persistent:
            columns = [field for field in model.fields if field.is_persistent and not field.is_internal]
            yield f"<table name={quoteattr(cls)}>"
            yield from (_row(world, identity, columns) for identity in sorted(world.ids(cls)))
            yield "</table>"
    yield "</database>"


def _manifest(world: World) -> dict[str, str]:
    master = world.get(world[POOL]["master"])
    schema: str = master["software_version"].get("db_schema", "") if master is not None else ""
    major, _, minor = schema.partition(".")
    return {"schema_major_vsn": major, "schema_minor_vsn": minor, "generation_count": str(world.generation)}


def _pairs(values: Mapping[str, str]) -> str:
    return "".join(f"<pair key={quoteattr(key)} value={quoteattr(value)}/>" for key, value in values.items())


def _row(world: World, identity: Id, columns: Sequence[Field]) -> str:
    row, ref = world[identity], world.ref(identity)
    cells = {"_ref": ref, **{field.column: text_of(world, field.type, row[field.name]) for field in columns}}
    if "uuid" in cells:
        cells["uuid"] = world.uuid(identity)
    return f"<row ref={quoteattr(ref)} {' '.join(f'{name}={_quoted(value)}' for name, value in cells.items())}/>"


def _quoted(text: str) -> str:
    """As an attribute, without the control characters that no XML may hold."""
    return quoteattr("".join(character for character in text if character >= " " or character in "\t\n\r"))
