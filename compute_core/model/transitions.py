"""The state machine of a server: one table of actions, one table of states as the API names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.model.errors import Conflict
from compute_core.model.instances import Instance, VmState

ANY: frozenset[VmState] = frozenset(
    {
        "building", "active", "paused", "suspended", "stopped", "rescued", "shelved", "shelved_offloaded", "soft-delete", "error",
        "resized",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Action:
    """``from_states``: where it may begin; ``task_state``: what is shown meanwhile; ``to_state``: where it ends (None: as it was).

    ``if_done`` and ``if_failed``: what members of the instance become at the end, in their JSON form. ``stages``: task states that it goes
    through after its own.
    """

    from_states: frozenset[VmState]
    task_state: str
    to_state: VmState | None
    interrupts: bool = False
    if_done: Mapping[str, Any] = field(default_factory=dict)
    if_failed: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[str, ...] = ()

    def is_shown_as(self, task_state: str | None) -> bool:
        """Whether it may be what is under way."""
        return task_state is not None and (task_state == self.task_state or task_state in self.stages)


def _states(*names: VmState) -> frozenset[VmState]:
    return frozenset(names)


UPLOADING = "image_uploading"
"""What is shown while the bytes of a snapshot are sent."""
COPIED = _states("active", "stopped", "paused", "suspended")
"""The states in which an image can be made of a server."""

ACTIONS: Mapping[str, Action] = {
    "start": Action(_states("stopped"), "powering-on", "active"),
    "stop": Action(_states("active", "error"), "powering-off", "stopped"),
    "reboot_soft": Action(_states("active"), "rebooting", "active"),
    "reboot_hard": Action(_states("active", "stopped", "paused", "suspended", "error"), "rebooting_hard", "active", interrupts=True),
    "pause": Action(_states("active"), "pausing", "paused"),
    "unpause": Action(_states("paused"), "unpausing", "active"),
    "suspend": Action(_states("active"), "suspending", "suspended"),
    "resume": Action(_states("suspended"), "resuming", "active"),
    "snapshot": Action(COPIED, "image_snapshot_pending", None, stages=(UPLOADING,)),
    "backup": Action(COPIED, "image_backup", None),
    "incremental_backup": Action(COPIED, "incremental_backup", None),
    "rescue": Action(_states("active", "stopped", "error"), "rescuing", "rescued", if_failed={"rescue_image_ref": None}),
    "unrescue": Action(_states("rescued"), "unrescuing", "active", if_done={"rescue_image_ref": None}),
    "rebuild": Action(
        _states("active", "stopped", "error"),
        "rebuilding",
        None,
        if_done={"pending": {}},
        if_failed={"pending": {}},
    ),
    "shelve": Action(
        _states("active", "stopped", "paused", "suspended"),
        "shelving",
        "shelved",
        if_failed={"shelved_image_ref": None, "shelved_at": None},
    ),
    "shelve_offload": Action(
        _states("shelved"),
        "shelving_offloading",
        "shelved_offloaded",
        if_done={"host": None, "hypervisor_hostname": None},
    ),
    "unshelve": Action(
        _states("shelved", "shelved_offloaded"),
        "unshelving",
        "active",
        if_done={"shelved_image_ref": None, "shelved_at": None},
    ),
    "soft_delete": Action(
        _states("active", "paused", "suspended", "stopped", "rescued", "shelved", "error"),
        "soft-deleting",
        "soft-delete",
        if_failed={"soft_deleted_at": None},
    ),
    "restore": Action(_states("soft-delete"), "restoring", "active", if_done={"soft_deleted_at": None}),
    "attach_interface": Action(_states("active", "paused", "stopped"), "attaching_interface", None),
    "detach_interface": Action(_states("active", "paused", "stopped"), "detaching_interface", None),
    "attach_volume": Action(_states("active", "paused", "stopped"), "attaching_volume", None),
    "detach_volume": Action(_states("active", "paused", "stopped"), "detaching_volume", None),
    "swap_volume": Action(_states("active", "paused", "stopped"), "swapping_volume", None),
    "resize": Action(_states("active", "stopped"), "resize_migrating", None),
    "finish_resize": Action(_states(), "resize_finish", "resized"),
    "confirm_resize": Action(_states("resized"), "resize_confirming", None),
    "revert_resize": Action(_states("resized"), "resize_reverting", None),
    "finish_revert": Action(_states(), "resize_reverted", None),
    "live_migrate": Action(_states("active"), "migrating", None),
    "evacuate": Action(_states("active", "stopped", "error"), "evacuating", None),
    "delete": Action(ANY, "deleting", "deleted", interrupts=True),
}

BY_TASK_STATE: Mapping[str, str] = {state: name for name, action in ACTIONS.items() for state in (action.task_state, *action.stages)}
"""The action that is under way, by the task state that is shown."""

IMAGE_MAKING = frozenset({"snapshot", "backup", "incremental_backup", "shelve"})
"""The actions that fill an image."""

RESIZING: Mapping[str, str] = {
    "resize_prep": "RESIZE",
    "resize_migrating": "RESIZE",
    "resize_finish": "RESIZE",
    "evacuating": "REBUILD",
}

STATUSES: Mapping[VmState, tuple[str, Mapping[str, str]]] = {
    "building": ("BUILD", {}),
    "active": (
        "ACTIVE",
        {"rebooting": "REBOOT", "rebooting_hard": "HARD_REBOOT", "rebuilding": "REBUILD", "migrating": "MIGRATING", **RESIZING},
    ),
    "paused": ("PAUSED", {"rebooting_hard": "HARD_REBOOT"}),
    "suspended": ("SUSPENDED", {"rebooting_hard": "HARD_REBOOT"}),
    "stopped": ("SHUTOFF", {"rebooting_hard": "HARD_REBOOT", "rebuilding": "REBUILD", **RESIZING}),
    "rescued": ("RESCUE", {}),
    "shelved": ("SHELVED", {}),
    "shelved_offloaded": ("SHELVED_OFFLOADED", {}),
    "soft-delete": ("SOFT_DELETED", {}),
    "resized": ("VERIFY_RESIZE", {"resize_reverting": "REVERT_RESIZE", "resize_reverted": "REVERT_RESIZE"}),
    "error": ("ERROR", {"rebooting_hard": "HARD_REBOOT", "rebuilding": "REBUILD"}),
    "deleted": ("DELETED", {}),
}
"""Per vm_state: the API's status, and the task states that change it."""


MOVES = ("resize", "finish_resize", "confirm_resize", "revert_resize", "finish_revert", "live_migrate", "evacuate")
"""The actions that take a server to another size or host. Two hosts are at work: what ends them is the cell's affair."""

UNINTERRUPTED = frozenset(ACTIONS[name].task_state for name in ("delete", *MOVES))
"""What nothing but a deletion interrupts."""

UNSHELVING = ACTIONS["unshelve"].task_state


def is_unshelving(instance: Instance) -> bool:
    """Whether a server that was offloaded is on its way back to a host: it is built once more, from the image of its disk."""
    return instance.vm_state == "shelved_offloaded" and instance.task_state == UNSHELVING


def is_being_built(instance: Instance) -> bool:
    """Whether a host is to build it, or one is sought."""
    return instance.vm_state == "building" or is_unshelving(instance)


def status_of(instance: Instance) -> str:
    """The API's status of a server."""
    usual, by_task = STATUSES[instance.vm_state]
    return by_task.get(instance.task_state or "", usual)


LEAVES_VOLUMES = frozenset({"rebuild"})
"""What volumes do not follow."""


def begin(instance: Instance, name: str) -> Action:
    """The action, if the server may begin it now; Conflict in the API's words otherwise."""
    action = ACTIONS[name]
    if name in LEAVES_VOLUMES and instance.block_devices:
        raise Conflict(f"Cannot '{name}' instance {instance.uuid} while it has volumes. Cure: detach them first.")
    if instance.vm_state not in action.from_states:
        raise Conflict(f"Cannot '{name}' instance {instance.uuid} while it is in vm_state {instance.vm_state}")
    is_going = instance.task_state in UNINTERRUPTED and name != "delete"
    if is_going or (instance.task_state is not None and not action.interrupts):
        raise Conflict(f"Cannot '{name}' instance {instance.uuid} while it is in task_state {instance.task_state}")
    return action
