"""What projects use of their quotas: taken by one conditional UPDATE, so that no two requests pass on the same free place."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from compute_core.model.limits import UNLIMITED, QuotaLimits, Usage
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import usages

_U = usages.c
_INSERT = insert_or_skip(usages, "project_id")
COUNTED = ("instances", "cores", "memory_mb")


def take(session: Session, project_id: str, wanted: Usage, limits: QuotaLimits) -> bool:
    """Use so much more; False, and nothing is taken, where one of the limits forbids it."""
    session.execute(of(session, _INSERT), {"project_id": project_id, "instances": 0, "cores": 0, "memory_mb": 0})
    limited = [name for name in COUNTED if getattr(limits, name) != UNLIMITED]
    fits = [_U[name] + getattr(wanted, name) <= getattr(limits, name) for name in limited]
    more = {name: _U[name] + getattr(wanted, name) for name in COUNTED}
    taken = session.connection().execute(update(usages).where(_U.project_id == project_id, *fits).values(more))
    return taken.rowcount == 1


def give_back(session: Session, project_id: str, gone: Usage) -> None:
    """Use so much less."""
    less = {name: _U[name] - getattr(gone, name) for name in COUNTED}
    session.execute(update(usages).where(_U.project_id == project_id).values(less))


def of_project(session: Session, project_id: str) -> Usage:
    """What a project uses now."""
    row = session.execute(select(_U.instances, _U.cores, _U.memory_mb).where(_U.project_id == project_id)).first()
    return Usage() if row is None else Usage(*row)
