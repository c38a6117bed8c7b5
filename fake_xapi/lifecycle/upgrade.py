"""Whether the hosts of a pool have different releases: then VMs, VDIs and SRs are limited to what both support."""

from __future__ import annotations

from fake_xapi.lifecycle.rules import POOL, Rows

FLAG = "rolling_upgrade_in_progress"
"""Key of ``pool.other_config``."""


def is_upgrading(rows: Rows) -> bool:
    """Whether a rolling upgrade is under way."""
    pool = rows.get(POOL)
    return pool is not None and FLAG in pool["other_config"]
