"""The lifecycle of a VIF: plugging and unplugging."""

from __future__ import annotations

from typing import NamedTuple

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.rules import AnyRow, Case, Guard, Lifecycle, Rows, about_me, always, busy, operations_of
from fake_xapi.lifecycle.vbd import VM_OPERATIONS_THAT_DETACH, hotplug, is_plugged, lacks_drivers, old_drivers, vm_is_detaching

_HOTPLUGS = frozenset({"plug", "unplug"})
_SHOWN = ("attach", "plug", "unplug")


class VifFacts(NamedTuple):
    """All that decides what may be done to a VIF."""

    release: str
    era: Era
    is_busy: bool
    is_of_control_domain: bool
    is_sriov: bool
    is_plugged: bool
    power_state: str
    is_vm_detaching: bool
    hotplug: str


def _facts(rows: Rows, vif: AnyRow) -> VifFacts:
    vm, network = rows.get(vif["VM"]), rows.get(vif["network"])
    release = rows.personality
    power_state: str = vm["power_state"] if vm else "Halted"
    is_running = vm is not None and power_state == "Running"
    return VifFacts(
        release.name,
        release.era,
        bool(vif["current_operations"]),
        vm is not None and vm["is_control_domain"],
        network is not None and any(_is_sriov(rows, pif) for pif in network["PIFs"]),
        is_plugged(vif),
        power_state,
        vm is not None and any(op in VM_OPERATIONS_THAT_DETACH for op in operations_of(vm)),
        hotplug(rows, vm, "can_use_hotplug_vif") if vm is not None and is_running else "yes",
    )


def _is_sriov(rows: Rows, pif: int) -> bool:
    row = rows.get(pif)
    return row is not None and bool(row["sriov_logical_PIF_of"])


def _busy(case: Case) -> Failure:
    """The refusal; modern XAPI puts the operation and the task of a VIF in braces, even a single one."""
    if case.era != "modern":
        return busy(case)
    current: dict[str, str] = case.row["current_operations"]
    operations, tasks = "{" + ",".join(current.values()) + "}", "{" + ",".join(current) + "}"
    return Failure("OTHER_OPERATION_IN_PROGRESS", "VIF", case.me, operations, tasks)


def _bad_power_state(case: Case) -> Failure:
    vm: int = case.row["VM"]
    return Failure("VM_BAD_POWER_STATE", Handle(vm), "running", case.view[vm]["power_state"].lower())


_GUARDS: tuple[Guard[VifFacts], ...] = (
    Guard(lambda vif, _op: vif.is_busy, _busy),
    Guard(
        lambda vif, op: vif.is_of_control_domain and op == "plug",
        always("OPERATION_NOT_ALLOWED", "Control domain does not support hotplug"),
    ),
    Guard(
        lambda vif, op: vif.is_sriov and op in _HOTPLUGS,
        always("OPERATION_NOT_ALLOWED", "Network SR-IOV VIF plug/unplug not allowed"),
    ),
    Guard(lambda vif, op: vif.power_state == "Running" and vif.is_plugged and op == "plug", about_me("DEVICE_ALREADY_ATTACHED")),
    Guard(lambda vif, op: vif.power_state == "Running" and not vif.is_plugged and op == "unplug", about_me("DEVICE_ALREADY_DETACHED")),
    Guard(lambda vif, op: vif.power_state != "Running" and op in _HOTPLUGS, _bad_power_state),
    Guard(lambda vif, op: vif.is_vm_detaching and op in _HOTPLUGS, vm_is_detaching),
    Guard(
        lambda vif, op: vif.hotplug == "hvm no" and op in _HOTPLUGS,
        always("OPERATION_NOT_ALLOWED", "VM states it does not support VIF hotplug."),
    ),
    Guard(lambda vif, op: vif.hotplug == "hvm lacks drivers" and op in _HOTPLUGS, lacks_drivers),
    Guard(lambda vif, op: vif.hotplug == "hvm old drivers" and op in _HOTPLUGS, old_drivers),
)

VIF = Lifecycle(_facts, lambda _vif: _GUARDS, lambda _vif: _SHOWN)
"""What may be done to a VIF."""
