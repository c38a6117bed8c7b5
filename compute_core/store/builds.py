"""Builds under way in a compute cell: what is needed to try once more elsewhere, kept until the server stands or is given up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from compute_core.store.dialects import insert_or_update, of
from compute_core.store.schema import builds

_PUT = insert_or_update(builds, "instance_uuid", "tried_hosts", "attempt", "deadline_s")

_AMONG = select(builds).where(builds.c.instance_uuid.in_(bindparam("keys", expanding=True)))
_END = delete(builds).where(builds.c.instance_uuid == bindparam("key"))


@dataclass(frozen=True, slots=True)
class Build:
    """``request`` is what came from above: context, image, hints. ``attempt`` counts from 1 once a host has been tried."""

    instance_uuid: str
    request: Mapping[str, Any]
    deadline_s: float
    tried_hosts: tuple[str, ...] = ()
    attempt: int = 0


def put(connection: Connection, changed: Iterable[Build]) -> None:
    """Write builds, new or changed."""
    rows = [
        {
            "instance_uuid": build.instance_uuid,
            "request": build.request,
            "tried_hosts": list(build.tried_hosts),
            "attempt": build.attempt,
            "deadline_s": build.deadline_s,
        }
        for build in changed
    ]
    if rows:
        connection.execute(of(connection, _PUT), rows)


def among(connection: Connection, uuids: Sequence[str]) -> dict[str, Build]:
    """The builds of these instances that are under way, by uuid."""
    rows = connection.execute(_AMONG, {"keys": list(uuids)})
    return {row.instance_uuid: Build(row.instance_uuid, row.request, row.deadline_s, tuple(row.tried_hosts), row.attempt) for row in rows}


def listed(connection: Connection) -> tuple[str, ...]:
    """The instances whose builds are under way."""
    return tuple(connection.scalars(select(builds.c.instance_uuid).order_by(builds.c.instance_uuid)))


def overdue(connection: Connection, now_s: float) -> tuple[str, ...]:
    """The instances whose builds should have ended by now."""
    late = select(builds.c.instance_uuid).where(builds.c.deadline_s <= now_s)
    return tuple(connection.scalars(late.order_by(builds.c.instance_uuid)))


def end(connection: Connection, instance_uuid: str) -> None:
    """The build is over, whichever way."""
    connection.execute(_END, {"key": instance_uuid})
