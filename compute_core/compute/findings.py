"""Where the cell's view of a host and the host's own differ: a table of what may be found, and what is to be done about it. Pure.

Most findings are acted upon only when they are made again at the next heartbeat: what looks lost may be a message on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

from compute_core.compute.vms import Vm, Vms
from compute_core.model.instances import NO_STATE, PAUSED, RUNNING, SHUTDOWN, SUSPENDED, Instance, VmState
from compute_core.model.transitions import ACTIONS, BY_TASK_STATE, is_being_built

NONE: Mapping[str, Any] = MappingProxyType({})


class Kind(Enum):
    """What may be found, and whether it is acted upon at first sight."""

    FINISHED_BUILD = "the build's success was not heard of"
    HALF_BUILT = "the build was broken off"
    HALF_DELETED = "the deletion was broken off"
    BROKEN_ACTION = "the action was broken off"
    OTHER_POWER_STATE = "the power state has changed unheard"
    UNWANTED_VM = "the server belongs elsewhere, or nowhere any more"
    UNWANTED_RESCUE = "the VM that has stood in for the server is no longer needed"
    UNWANTED_FORMER = "the server will not come back to its former VM"

    @property
    def is_certain(self) -> bool:
        """Whether no message on its way could explain it."""
        return self is Kind.FINISHED_BUILD


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. ``action`` is the broken one, ``error`` None when it had reached its end; ``arguments`` let it go on."""

    kind: Kind
    uuid: str
    instance: Instance | None = None
    power_state: int = NO_STATE
    action: str = ""
    error: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


ENDS: Mapping[VmState, int] = {"active": RUNNING, "stopped": SHUTDOWN, "paused": PAUSED, "suspended": SUSPENDED}
"""The power state of a server at rest."""

ELSEWHERE = frozenset({"confirm_resize"})
"""What the host that a server came from does, and not the one that has it."""


def findings(
    instances: Iterable[Instance], unwanted: Iterable[str], vms: Vms, is_busy: Callable[[str], bool], migrations: Mapping[str, Any] = NONE
) -> Iterator[Finding]:
    """The differences between the cell's servers on this host and its VMs, those left out on which an operation is under way.

    ``migrations`` are the records of those that are on their way. ``unwanted`` are servers whose VMs are here and should not be. A VM of
    which the cell says nothing is left alone.
    """
    for instance in instances:
        if not is_busy(instance.uuid):
            journey = migrations.get(instance.uuid)
            for finding in _of_instance(instance, vms.acting(instance.uuid)):
                yield finding if journey is None else replace(finding, arguments={"migration": journey})
            if instance.uuid in vms.rescues and instance.task_state is None and instance.vm_state != "rescued":
                yield Finding(Kind.UNWANTED_RESCUE, instance.uuid, instance)
    for uuid in unwanted:
        if uuid in vms and not is_busy(uuid):
            yield Finding(Kind.UNWANTED_VM, uuid)


def of_formers(unwanted: Iterable[str], vms: Vms, is_busy: Callable[[str], bool]) -> Iterator[Finding]:
    """The former VMs that are here for nothing."""
    return (Finding(Kind.UNWANTED_FORMER, uuid) for uuid in unwanted if uuid in vms.formers and not is_busy(uuid))


def _of_instance(instance: Instance, vm: Vm | None) -> Iterator[Finding]:
    state = NO_STATE if vm is None else vm.power_state
    action = BY_TASK_STATE.get(instance.task_state or "")
    if action == "delete":
        yield Finding(Kind.HALF_DELETED, instance.uuid, instance)
    elif is_being_built(instance):
        yield Finding(Kind.FINISHED_BUILD if state == RUNNING else Kind.HALF_BUILT, instance.uuid, instance, state)
    elif action in ELSEWHERE:
        return
    elif action is not None:
        yield Finding(Kind.BROKEN_ACTION, instance.uuid, instance, state, action, _error(action, state))
    elif state != instance.power_state:
        yield Finding(Kind.OTHER_POWER_STATE, instance.uuid, instance, state)


def _error(action: str, state: int) -> str | None:
    end = ACTIONS[action].to_state
    if end is not None and ENDS.get(end) == state:
        return None
    return f"the agent was interrupted during {action}"
