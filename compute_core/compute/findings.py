"""Where the cell's view of a host and the host's own differ: a table of what may be found, and what is to be done about it. Pure.

Most findings are acted upon only when they are made again at the next heartbeat: what looks lost may be a message on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from compute_core.compute.vms import Vm, Vms
from compute_core.model.instances import NO_STATE, PAUSED, RUNNING, SHUTDOWN, SUSPENDED, Instance, VmState
from compute_core.model.transitions import ACTIONS


class Kind(Enum):
    """What may be found, and whether it is acted upon at first sight."""

    FINISHED_BUILD = "the build's success was not heard of"
    HALF_BUILT = "the build was broken off"
    HALF_DELETED = "the deletion was broken off"
    BROKEN_ACTION = "the action was broken off"
    OTHER_POWER_STATE = "the power state has changed unheard"
    UNKNOWN_VM = "the cell has no such server on this host"

    @property
    def is_certain(self) -> bool:
        """Whether no message on its way could explain it."""
        return self is Kind.FINISHED_BUILD


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. ``action`` is the broken one, ``error`` None when it had reached its end."""

    kind: Kind
    uuid: str
    instance: Instance | None = None
    power_state: int = NO_STATE
    action: str = ""
    error: str | None = None


ENDS: Mapping[VmState, int] = {"active": RUNNING, "stopped": SHUTDOWN, "paused": PAUSED, "suspended": SUSPENDED}
"""The power state of a server at rest."""

BY_TASK_STATE = {action.task_state: name for name, action in ACTIONS.items()}


def findings(instances: Iterable[Instance], vms: Vms, is_busy: Callable[[str], bool], cell: str) -> Iterator[Finding]:
    """The differences between the cell's servers on this host and its VMs, those left out on which an operation is under way."""
    known = set()
    for instance in instances:
        known.add(instance.uuid)
        if not is_busy(instance.uuid):
            yield from _of_instance(instance, vms.get(instance.uuid))
    for uuid, vm in vms.items():
        if uuid not in known and vm.cell == cell and not is_busy(uuid):
            yield Finding(Kind.UNKNOWN_VM, uuid)


def _of_instance(instance: Instance, vm: Vm | None) -> Iterator[Finding]:
    state = NO_STATE if vm is None else vm.power_state
    action = BY_TASK_STATE.get(instance.task_state or "")
    if action == "delete":
        yield Finding(Kind.HALF_DELETED, instance.uuid, instance)
    elif instance.vm_state == "building":
        yield Finding(Kind.FINISHED_BUILD if state == RUNNING else Kind.HALF_BUILT, instance.uuid, instance, state)
    elif action is not None:
        yield Finding(Kind.BROKEN_ACTION, instance.uuid, instance, state, action, _error(action, state))
    elif state != instance.power_state:
        yield Finding(Kind.OTHER_POWER_STATE, instance.uuid, instance, state)


def _error(action: str, state: int) -> str | None:
    end = ACTIONS[action].to_state
    if end is not None and ENDS.get(end) == state:
        return None
    return f"the agent was interrupted during {action}"
