"""Every knob of a cell, with the default that an operator would expect."""

from __future__ import annotations

from dataclasses import dataclass, field

from compute_core.cells.routing import SEPARATOR, name_of
from compute_core.model.limits import QuotaLimits
from compute_core.scheduler.capacity import Ratios
from compute_core.scheduler.weighers import Weights


@dataclass(frozen=True, slots=True)
class ApiCellSettings:
    """The top of the tree. ``children`` are the compute cells below it, named from here on: ``cell1``, or ``region1!cell7``.

    ``deletes_softly``: whether a deleted server may be restored, for as long as its cell keeps it.
    """

    name: str = "api"
    children: tuple[str, ...] = ("cell1",)
    quotas: QuotaLimits = field(default_factory=QuotaLimits)
    call_timeout_s: float = 60.0
    overview_timeout_s: float = 5.0
    hand_over_wait_s: float = 10.0
    hand_over_retry_s: float = 30.0
    mute_cell_after_s: float = 300.0
    cell_attempts: int = 3
    hand_over_batch: int = 100
    pools_look_s: float = 5.0
    deletes_softly: bool = False

    @property
    def child_paths(self) -> tuple[str, ...]:
        """The compute cells' paths, from the top."""
        return tuple(f"{self.name}{SEPARATOR}{child}" for child in self.children)


@dataclass(frozen=True, slots=True)
class ComputeCellSettings:
    """A leaf of the tree: hosts register here. ``path`` is written from the top: ``api!cell1``.

    ``shelved_offload_s``: so long a shelved server stays on its host; 0 not at all, below 0 for ever. ``reclaim_s``: so long a server
    that was deleted softly may be restored; below 0 for ever. ``resize_confirm_window_s``: so long a resized server waits for its user's
    word before it is taken for confirmed; 0 for ever. ``moves_at_once``: so many servers leave a host in maintenance at once.
    ``resume_guests_state_on_host_boot``: whether servers that were stopped for a host's reboot are started after it.
    """

    path: str = "api!cell1"
    availability_zone: str = "nova"
    ratios: Ratios = field(default_factory=Ratios)
    weights: Weights = field(default_factory=Weights)
    build_attempts: int = 3
    build_timeout_s: float = 1800.0
    action_timeout_s: float = 3600.0
    delete_retry_s: float = 120.0
    allow_resize_to_same_host: bool = True
    resize_confirm_window_s: float = 0.0
    shelved_offload_s: float = 0.0
    reclaim_s: float = -1.0
    service_down_time_s: float = 60.0
    watchdog_interval_s: float = 10.0
    capacity_interval_s: float = 60.0
    outbox_gather_s: float = 0.1
    outbox_batch: int = 500
    outbox_retry_s: float = 5.0
    call_timeout_s: float = 60.0
    moves_at_once: int = 4
    upkeep_look_s: float = 5.0
    resume_guests_state_on_host_boot: bool = False

    @property
    def name(self) -> str:
        """The cell's short name, the last part of its path."""
        return name_of(self.path)
