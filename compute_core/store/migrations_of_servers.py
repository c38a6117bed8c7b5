"""Migrations of servers: one row each, the whole as a document beside what is searched by. At most one of a server is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from sqlalchemy import Connection, bindparam, false, insert, or_, select, update

from compute_core.model.errors import NotFound
from compute_core.model.migrations import Migration
from compute_core.store import hosts
from compute_core.store.schema import migrations

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Migration)

_M = migrations.c
_ROW = select(_M.id, _M.document)
_ONE = _ROW.where(_M.id == bindparam("key"))
_OPEN = _ROW.where(_M.instance_uuid == bindparam("uuid"), _M.is_over == false())
_OPEN_AMONG = _ROW.where(_M.instance_uuid.in_(bindparam("keys", expanding=True)), _M.is_over == false())
_FINISHED = _ROW.where(_M.is_over == false(), _M.status == "finished", _M.updated_at <= bindparam("before")).order_by(_M.id)
_UPDATE = (
    update(migrations)
    .where(_M.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in ("status", "is_over", "updated_at", "document")})
)


def add(connection: Connection, migration: Migration) -> Migration:
    """Write a new one; with its id."""
    inserted = connection.execute(insert(migrations).returning(_M.id), _columns(migration)).scalar_one()
    return replace(migration, id=inserted)


def put(connection: Connection, migration: Migration) -> None:
    """Write one that is there."""
    row = _columns(migration)
    connection.execute(
        _UPDATE, {"key": migration.id, **{f"new_{name}": row[name] for name in ("status", "is_over", "updated_at", "document")}}
    )


def get(connection: Connection, number: int) -> Migration:
    """One by its id. NotFound."""
    row = connection.execute(_ONE, {"key": number}).first()
    if row is None:
        raise NotFound.of("Migration", number)
    return _decode(row.id, row.document)


def open_of(connection: Connection, instance_uuid: str) -> Migration | None:
    """The one that a server is on."""
    row = connection.execute(_OPEN, {"uuid": instance_uuid}).first()
    return None if row is None else _decode(row.id, row.document)


def open_among(connection: Connection, uuids: Sequence[str]) -> dict[str, Migration]:
    """Those that any of these servers is on, by the server's uuid."""
    if not uuids:
        return {}
    found = (_decode(row.id, row.document) for row in connection.execute(_OPEN_AMONG, {"keys": list(uuids)}))
    return {migration.instance_uuid: migration for migration in found}


def listed(connection: Connection, instance_uuid: str | None = None) -> tuple[Migration, ...]:
    """All, or those of one server, the newest first."""
    wanted = or_(bindparam("every"), _M.instance_uuid == bindparam("uuid"))
    rows = connection.execute(_ROW.where(wanted).order_by(_M.id.desc()), {"every": instance_uuid is None, "uuid": instance_uuid or ""})
    return tuple(_decode(row.id, row.document) for row in rows)


def finished_before(connection: Connection, date: str) -> tuple[Migration, ...]:
    """Resizes that have waited for the user's word since before a date."""
    return tuple(_decode(row.id, row.document) for row in connection.execute(_FINISHED, {"before": date}))


def call_off(connection: Connection, instance_uuid: str, now: str) -> Migration | None:
    """The server is deleted: its migration, which is given, is over and holds no room any more."""
    record = open_of(connection, instance_uuid)
    if record is None:
        return None
    hosts.release(connection, record.uuid)
    over = replace(record, status="error", updated_at=now)
    put(connection, over)
    return over


def _columns(migration: Migration) -> dict[str, object]:
    return {
        "uuid": migration.uuid,
        "instance_uuid": migration.instance_uuid,
        "status": migration.status,
        "is_over": migration.is_over,
        "updated_at": migration.updated_at,
        "document": _encoder.encode(migration).decode(),
    }


def _decode(number: int, document: str) -> Migration:
    return replace(_decoder.decode(document), id=number)
