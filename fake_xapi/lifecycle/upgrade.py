"""Whether the hosts of a pool are of different releases: then only what both understand may be done to VMs, VDIs and SRs."""

from __future__ import annotations

from fake_xapi.lifecycle.rules import POOL, Rows

FLAG = "rolling_upgrade_in_progress"
"""Key of ``pool.other_config``."""


def is_upgrading(rows: Rows) -> bool:
    """Whether a rolling upgrade is under way."""
    pool = rows.get(POOL)
    return pool is not None and FLAG in pool["other_config"]
