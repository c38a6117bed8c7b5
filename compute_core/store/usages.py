"""What projects use of their quotas: taken by one conditional UPDATE, so that no two requests pass on the same free place."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, or_, select, update

from compute_core.model.limits import UNLIMITED, QuotaLimits, Usage
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import usages

_U = usages.c
_INSERT = insert_or_skip(usages, "project_id")
COUNTED = ("instances", "cores", "memory_mb")
_TAKE = (
    update(usages)
    .where(
        _U.project_id == bindparam("key"),
        *(or_(bindparam(f"most_{name}") == UNLIMITED, _U[name] + bindparam(f"by_{name}") <= bindparam(f"most_{name}")) for name in COUNTED),
    )
    .values({name: _U[name] + bindparam(f"by_{name}") for name in COUNTED})
)
_GIVE_BACK = update(usages).where(_U.project_id == bindparam("key")).values({name: _U[name] - bindparam(f"by_{name}") for name in COUNTED})
_FIND = select(_U.instances, _U.cores, _U.memory_mb).where(_U.project_id == bindparam("key"))


def take(connection: Connection, project_id: str, wanted: Usage, limits: QuotaLimits) -> bool:
    """Use so much more; False, and nothing is taken, where one of the limits forbids it."""
    connection.execute(of(connection, _INSERT), {"project_id": project_id, "instances": 0, "cores": 0, "memory_mb": 0})
    most = {f"most_{name}": getattr(limits, name) for name in COUNTED}
    taken = connection.execute(_TAKE, {"key": project_id, **_by(wanted), **most})
    return taken.rowcount == 1


def give_back(connection: Connection, project_id: str, gone: Usage) -> None:
    """Use so much less."""
    connection.execute(_GIVE_BACK, {"key": project_id, **_by(gone)})


def of_project(connection: Connection, project_id: str) -> Usage:
    """What a project uses now."""
    row = connection.execute(_FIND, {"key": project_id}).first()
    return Usage() if row is None else Usage(*row)


def _by(usage: Usage) -> dict[str, int]:
    return {f"by_{name}": getattr(usage, name) for name in COUNTED}
