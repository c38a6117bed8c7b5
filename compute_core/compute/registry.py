"""What an agent does on behalf of its cell: operations by the names of the model's actions, queries by their own."""

from __future__ import annotations

from collections.abc import Mapping

from compute_core.compute.arriving import PEER_REQUESTS
from compute_core.compute.backups import BACKUPS, BACKUPS_RESUMES
from compute_core.compute.consoles import CONSOLES
from compute_core.compute.evacuating import EVACUATING, EVACUATING_RECOVERIES
from compute_core.compute.guest_commands import GUEST_COMMANDS, NEWS
from compute_core.compute.host_queries import HOST_USAGE
from compute_core.compute.host_work import HostQuery
from compute_core.compute.image_care import IMAGE_CARE
from compute_core.compute.interfaces import INTERFACES, INTERFACES_RESUMES
from compute_core.compute.io_weights import IO_WEIGHTS
from compute_core.compute.migrating import MIGRATING, MIGRATING_RECOVERIES, STEERING
from compute_core.compute.orphan_care import ORPHAN_CARE
from compute_core.compute.power_table import POWER
from compute_core.compute.putting_aside import PUTTING_ASIDE
from compute_core.compute.rescuing import RESCUING, RESCUING_RESUMES
from compute_core.compute.resizing import RESIZING, RESIZING_RECOVERIES
from compute_core.compute.snapshots import SNAPSHOTS, SNAPSHOTS_RESUMES
from compute_core.compute.volumes import VOLUMES, VOLUMES_RESUMES
from compute_core.compute.volumes_copying import COPYING_QUERIES
from compute_core.compute.volumes_swapping import SWAPPING, SWAPPING_RESUMES
from compute_core.compute.work import Operation, Query

__all__ = ["HOST_QUERIES", "NEWS", "OPERATIONS", "PEER_REQUESTS", "QUERIES", "RECOVERIES", "RESUMES"]

OPERATIONS: Mapping[str, Operation] = {
    **POWER,
    **SNAPSHOTS,
    **BACKUPS,
    **RESIZING,
    **MIGRATING,
    **EVACUATING,
    **RESCUING,
    **PUTTING_ASIDE,
    **VOLUMES,
    **SWAPPING,
    **INTERFACES,
}
"""Each tells its end by ``action_finished``."""

QUERIES: Mapping[str, Query] = {
    **CONSOLES,
    **STEERING,
    **GUEST_COMMANDS,
    **IO_WEIGHTS,
}
"""Each answers at once, whatever is under way. All but those of STEERING, GUEST_COMMANDS and ``set_io_weight`` change nothing.

These bend what is under way, or do something with the guest or its disks; who may ask for that, and when, is checked above.
"""

HOST_QUERIES: Mapping[str, HostQuery] = {
    **HOST_USAGE,
    **IMAGE_CARE,
    **ORPHAN_CARE,
    **COPYING_QUERIES,
}
"""The same about the host."""

RECOVERIES: Mapping[str, Operation] = {
    **RESIZING_RECOVERIES,
    **MIGRATING_RECOVERIES,
    **EVACUATING_RECOVERIES,
}
"""What is done, instead of telling a failure, about an operation that a killed agent has left; each tells the operation's end."""

RESUMES: Mapping[str, Operation] = {
    **PUTTING_ASIDE,
    **RESCUING_RESUMES,
    **SNAPSHOTS_RESUMES,
    **BACKUPS_RESUMES,
    **VOLUMES_RESUMES,
    **SWAPPING_RESUMES,
    **INTERFACES_RESUMES,
}
"""The same for operations that need no more than the instance to go on, or to be taken back."""
