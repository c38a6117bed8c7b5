"""What was asked of servers and what came of it, as ``os-instance-actions`` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ActionEvent:
    """One part of an action on one host. Dates are ISO texts; ``result`` is "Success" or "Error", None while it goes on."""

    event: str
    started_at: str
    host: str | None = None
    finished_at: str | None = None
    result: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceAction:
    """One request about one server; ``message`` is "Error" when it failed, "" otherwise."""

    instance_uuid: str
    request_id: str
    action: str
    user_id: str
    project_id: str
    started_at: str
    updated_at: str
    message: str = ""
    events: tuple[ActionEvent, ...] = ()
    id: int = 0


@dataclass(frozen=True, slots=True)
class Names:
    """How the API calls an action of the model, and its event on the host."""

    action: str
    event: str


NAMES: Mapping[str, Names] = MappingProxyType(
    {
        "create": Names("create", "compute__do_build_and_run_instance"),
        "delete": Names("delete", "compute_terminate_instance"),
        "start": Names("start", "compute_start_instance"),
        "stop": Names("stop", "compute_stop_instance"),
        "reboot_soft": Names("reboot", "compute_reboot_instance"),
        "reboot_hard": Names("reboot", "compute_reboot_instance"),
        "pause": Names("pause", "compute_pause_instance"),
        "unpause": Names("unpause", "compute_unpause_instance"),
        "suspend": Names("suspend", "compute_suspend_instance"),
        "resume": Names("resume", "compute_resume_instance"),
        "snapshot": Names("createImage", "compute_snapshot_instance"),
        "backup": Names("createBackup", "compute_backup_instance"),
        "incremental_backup": Names("createIncrementalBackup", "compute_incremental_backup_instance"),
        "rescue": Names("rescue", "compute_rescue_instance"),
        "unrescue": Names("unrescue", "compute_unrescue_instance"),
        "rebuild": Names("rebuild", "compute_rebuild_instance"),
        "shelve": Names("shelve", "compute_shelve_instance"),
        "shelve_offload": Names("shelveOffload", "compute_shelve_offload_instance"),
        "unshelve": Names("unshelve", "compute_unshelve_instance"),
        "soft_delete": Names("delete", "compute_soft_delete_instance"),
        "restore": Names("restore", "compute_restore_instance"),
        "attach_interface": Names("attach_interface", "compute_attach_interface"),
        "detach_interface": Names("detach_interface", "compute_detach_interface"),
        "attach_volume": Names("attach_volume", "compute_attach_volume"),
        "swap_volume": Names("swap_volume", "compute_swap_volume"),
        "detach_volume": Names("detach_volume", "compute_detach_volume"),
        "change_password": Names("changePassword", ""),
        "resize": Names("resize", "compute_resize_instance"),
        "migrate": Names("migrate", "compute_resize_instance"),
        "finish_resize": Names("resize", "compute_finish_resize"),
        "confirm_resize": Names("confirmResize", "compute_confirm_resize"),
        "revert_resize": Names("revertResize", "compute_revert_resize"),
        "finish_revert": Names("revertResize", "compute_finish_revert_resize"),
        "live_migrate": Names("live-migration", "compute_live_migration"),
        "abort_live_migration": Names("live_migration_cancel", ""),
        "complete_live_migration": Names("live_migration_force_complete", ""),
        "evacuate": Names("evacuate", "compute_rebuild_instance"),
        "lock": Names("lock", ""),
        "unlock": Names("unlock", ""),
        "trigger_crash_dump": Names("trigger_crash_dump", "compute_trigger_crash_dump"),
    }
)
"""By the names of `transitions.ACTIONS`, and those of what has no state; "" for what no host does."""


def names_of(action: str) -> Names:
    """Of any action: one that is in no table is called as it is."""
    return NAMES.get(action) or Names(action, f"compute_{action}_instance")
