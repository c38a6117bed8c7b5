"""The state machine of a server: one table of actions, one table of states as the API names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compute_core.model.errors import Conflict
from compute_core.model.instances import Instance, VmState

ANY: frozenset[VmState] = frozenset({"building", "active", "paused", "suspended", "stopped", "error"})


@dataclass(frozen=True, slots=True)
class Action:
    """``from_states``: where it may begin; ``task_state``: what is shown meanwhile; ``to_state``: where it ends (None: as it was)."""

    from_states: frozenset[VmState]
    task_state: str
    to_state: VmState | None
    interrupts: bool = False


def _states(*names: VmState) -> frozenset[VmState]:
    return frozenset(names)


ACTIONS: Mapping[str, Action] = {
    "start": Action(_states("stopped"), "powering-on", "active"),
    "stop": Action(_states("active", "error"), "powering-off", "stopped"),
    "reboot_soft": Action(_states("active"), "rebooting", "active"),
    "reboot_hard": Action(_states("active", "stopped", "paused", "suspended", "error"), "rebooting_hard", "active", interrupts=True),
    "pause": Action(_states("active"), "pausing", "paused"),
    "unpause": Action(_states("paused"), "unpausing", "active"),
    "suspend": Action(_states("active"), "suspending", "suspended"),
    "resume": Action(_states("suspended"), "resuming", "active"),
    "snapshot": Action(_states("active", "stopped", "paused", "suspended"), "image_snapshot_pending", None),
    "delete": Action(ANY, "deleting", "deleted", interrupts=True),
}

STATUSES: Mapping[VmState, tuple[str, Mapping[str, str]]] = {
    "building": ("BUILD", {}),
    "active": ("ACTIVE", {"rebooting": "REBOOT", "rebooting_hard": "HARD_REBOOT"}),
    "paused": ("PAUSED", {"rebooting_hard": "HARD_REBOOT"}),
    "suspended": ("SUSPENDED", {"rebooting_hard": "HARD_REBOOT"}),
    "stopped": ("SHUTOFF", {"rebooting_hard": "HARD_REBOOT"}),
    "error": ("ERROR", {"rebooting_hard": "HARD_REBOOT"}),
    "deleted": ("DELETED", {}),
}
"""Per vm_state: the API's status, and the task states that change it."""


def status_of(instance: Instance) -> str:
    """The API's status of a server."""
    usual, by_task = STATUSES[instance.vm_state]
    return by_task.get(instance.task_state or "", usual)


def begin(instance: Instance, name: str) -> Action:
    """The action, if the server may begin it now; Conflict in the API's words otherwise."""
    action = ACTIONS[name]
    if instance.vm_state not in action.from_states:
        raise Conflict(f"Cannot '{name}' instance {instance.uuid} while it is in vm_state {instance.vm_state}")
    is_going = instance.task_state == ACTIONS["delete"].task_state and name != "delete"
    if is_going or (instance.task_state is not None and not action.interrupts):
        raise Conflict(f"Cannot '{name}' instance {instance.uuid} while it is in task_state {instance.task_state}")
    return action
