"""What projects use of their quotas: taken by one conditional UPDATE, so that no two requests pass on the same free place."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from compute_core.model.limits import UNLIMITED, QuotaLimits, Usage
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import usages

_U = usages.c
_INSERT = insert_or_skip(usages, "project_id")
COUNTED = ("instances", "cores", "memory_mb")


def take(connection: Connection, project_id: str, wanted: Usage, limits: QuotaLimits) -> bool:
    """Use so much more; False, and nothing is taken, where one of the limits forbids it."""
    connection.execute(of(connection, _INSERT), {"project_id": project_id, "instances": 0, "cores": 0, "memory_mb": 0})
    limited = [name for name in COUNTED if getattr(limits, name) != UNLIMITED]
    fits = [_U[name] + getattr(wanted, name) <= getattr(limits, name) for name in limited]
    more = {name: _U[name] + getattr(wanted, name) for name in COUNTED}
    taken = connection.execute(update(usages).where(_U.project_id == project_id, *fits).values(more))
    return taken.rowcount == 1


def give_back(connection: Connection, project_id: str, gone: Usage) -> None:
    """Use so much less."""
    less = {name: _U[name] - getattr(gone, name) for name in COUNTED}
    connection.execute(update(usages).where(_U.project_id == project_id).values(less))


def of_project(connection: Connection, project_id: str) -> Usage:
    """What a project uses now."""
    row = connection.execute(select(_U.instances, _U.cores, _U.memory_mb).where(_U.project_id == project_id)).first()
    return Usage() if row is None else Usage(*row)
