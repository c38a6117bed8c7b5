"""A guest's life: what it does, stage by stage, from the moment its domain is there.

Stages are data: what each takes is in the duration profile under its name. A new domain ends the life of the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fake_xapi.guest import addresses, systems
from fake_xapi.lifecycle.guests import is_hvm
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a boot: the time it takes, by name, and what the guest then tells of itself."""

    name: str
    tells: Callable[[Call, Id], dict[str, Any]]


_FEATURES = {
    "feature-shutdown": "1",
    "feature-reboot": "1",
    "feature-poweroff": "1",
    "feature-suspend": "1",
    "feature-vcpu-hotplug": "1",
    "platform-feature-multiprocessor-suspend": "1",
    "platform-feature-xs_reset_watches": "1",
}


def _drivers_are_up(call: Call, vm: Id) -> dict[str, Any]:
    world, row = call.world, call.world[vm]
    era = world.personality.era
    return {
        "os_version": systems.system_of(row, era).os_version,
        "PV_drivers_version": systems.DRIVERS[era],
        "PV_drivers_up_to_date": True,
        "PV_drivers_detected": True,
        "other": _FEATURES,
        "can_use_hotplug_vbd": "yes",
        "can_use_hotplug_vif": "yes",
    }


def _agent_is_up(call: Call, vm: Id) -> dict[str, Any]:
    row = call.world[vm]
    return {
        "networks": addresses.networks(call.world, row),
        "memory": {},
        "live": True,
    }


STAGES: tuple[Stage, ...] = (Stage("guest.boot", _drivers_are_up), Stage("guest.agent", _agent_is_up))


def begin_life(call: Call, vm: Id, domid: int) -> None:
    """Let the guest of a domain boot, or go on booting, behind the call that lets the domain run."""
    if _has_system(call, vm):
        call.spawn(_name(vm), _boot(call, vm, domid))


def _has_system(call: Call, vm: Id) -> bool:
    """Whether there is anything to boot: hardware without a disk stops at its firmware."""
    row = call.world[vm]
    return not is_hvm(call.world, row) or any(call.world[vbd]["type"] == "Disk" for vbd in row["VBDs"])


def end_life(call: Call, vm: Id) -> None:
    """The domain is gone or stands still, and with it whatever its guest was doing."""
    call.stop(_name(vm))


def _name(vm: Id) -> str:
    return f"guest {vm}"


async def _boot(call: Call, vm: Id, domid: int) -> None:
    for stage in STAGES[_stages_told(call, vm) :]:
        await call.takes(stage.name)
        if not _is_still(call, vm, domid):
            return
        with call.world.edit() as edit:
            _tell(call, edit, vm, stage)


def _stages_told(call: Call, vm: Id) -> int:
    """How far the guest was when its domain was paused or suspended, by what it has told."""
    metrics = call.world.get(call.world[vm]["guest_metrics"])
    if metrics is None:
        return 0
    return len(STAGES) if metrics["live"] else 1


def _is_still(call: Call, vm: Id, domid: int) -> bool:
    row = call.world.get(vm)
    return row is not None and row["domid"] == domid


def _tell(call: Call, edit: Edit, vm: Id, stage: Stage) -> None:
    """Write what the guest says into its metrics, made when it speaks first; the VM is opened because what it may do follows."""
    said = stage.tells(call, vm)
    metrics: Id = edit[vm]["guest_metrics"]
    if not metrics or edit.get(metrics) is None:
        metrics = edit.create("VM_guest_metrics")
    edit.set(metrics, last_updated=call.now(), **said)
    edit.set(vm, guest_metrics=metrics)


def interfaces_changed(call: Call, vm: Id) -> None:
    """A guest that is up notices an interface that came or went."""
    row = call.world.get(vm)
    metrics = call.world.get(row["guest_metrics"]) if row is not None else None
    if row is None or metrics is None or not metrics["live"]:
        return
    with call.world.edit() as edit:
        edit.set(row["guest_metrics"], networks=addresses.networks(call.world, row), last_updated=call.now())
