"""Servers by when they lived: launched before a date, and not gone before another one. Read in the order of pages."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from compute_core.model.instances import Instance
from compute_core.store.instances import decode
from compute_core.store.schema import instances

_I = instances.c


def lived(
    connection: Connection, start: str, end: str, project_id: str | None = None, after: str | None = None, limit: int | None = None
) -> tuple[Instance, ...]:  # fmt: skip
    """Those that lived between two dates as the API writes them, deleted ones too, by uuid; ``after`` is the last one seen."""
    wanted = select(_I.document).where(_I.launched_at != "", _I.launched_at < end, or_(_I.terminated_at == "", _I.terminated_at >= start))
    if project_id is not None:
        wanted = wanted.where(_I.project_id == project_id)
    if after is not None:
        wanted = wanted.where(_I.uuid > after)
    return tuple(decode(document) for document in connection.scalars(wanted.order_by(_I.uuid).limit(limit)))
