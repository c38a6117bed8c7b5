"""What an agent does on behalf of its cell: operations by the names of the model's actions, queries by their own."""

from __future__ import annotations

from collections.abc import Mapping

from compute_core.compute.consoles import CONSOLES
from compute_core.compute.power_table import POWER
from compute_core.compute.snapshots import SNAPSHOTS
from compute_core.compute.work import Operation, Query

OPERATIONS: Mapping[str, Operation] = {
    **POWER,
    **SNAPSHOTS,
}
"""Each tells its end by ``action_finished``."""

QUERIES: Mapping[str, Query] = {
    **CONSOLES,
}
"""Each answers at once and changes nothing."""
