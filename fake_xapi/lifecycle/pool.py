"""The lifecycle of a pool: HA on or off, and one change of its shape at a time. Pools have operations since the releases after 2012."""

from __future__ import annotations

from typing import NamedTuple

from fake_xapi.datamodel.personality import Era, personality
from fake_xapi.lifecycle.rules import AnyRow, Guard, Lifecycle, Rows, always, busy, operations_of


class PoolFacts(NamedTuple):
    """All that decides what may be done to a pool."""

    release: str
    era: Era
    is_busy: bool
    is_ha_enabled: bool


def _facts(rows: Rows, pool: AnyRow) -> PoolFacts:
    release = rows.personality
    return PoolFacts(release.name, release.era, bool(operations_of(pool)), pool["ha_enabled"])


_NOT_WITH_HA = frozenset({"ha_enable", "cluster_create", "designate_new_master", "eject"})
_GUARDS: tuple[Guard[PoolFacts], ...] = (
    Guard(lambda pool, _op: pool.is_busy, busy),
    Guard(lambda pool, op: pool.is_ha_enabled and op in _NOT_WITH_HA, always("HA_IS_ENABLED")),
    Guard(lambda pool, op: not pool.is_ha_enabled and op == "ha_disable", always("HA_NOT_ENABLED")),
)
_SHOWN = ("cluster_create", "designate_new_master", "ha_disable", "ha_enable")


def _shown(pool: PoolFacts) -> tuple[str, ...]:
    known = personality(pool.release).enums.get("pool_allowed_operations", ())
    return tuple(op for op in _SHOWN if op in known)


POOL = Lifecycle(_facts, lambda _pool: _GUARDS, _shown)
"""What may be done to a pool."""
