"""The lifecycle of a VBD: plugging and unplugging, media, and other users of its VDI."""

from __future__ import annotations

from typing import NamedTuple

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.guests import has_driver_version, is_hvm
from fake_xapi.lifecycle.rules import AnyRow, Case, Guard, Lifecycle, Rows, about_me, always, busy, busy_with, operations_of

ATTACHES = frozenset({"attach", "plug", "insert"})
UNPLUGS = frozenset({"unplug", "unplug_force"})
HOTPLUGS = frozenset({"plug", "unplug", "unplug_force"})
_MEDIA = frozenset({"insert", "eject"})
_PAUSES = frozenset({"pause", "unpause"})
VM_OPERATIONS_THAT_DETACH = ("clean_shutdown", "hard_shutdown", "suspend", "pause")
_SHOWN = ("attach", "unpause", "insert", "plug", "unplug", "unplug_force", "eject", "pause")


class VbdFacts(NamedTuple):
    """All that decides what may be done to a VBD."""

    release: str
    era: Era
    is_busy: bool
    is_unpluggable: bool
    is_cd: bool
    is_empty: bool
    is_plugged: bool
    power_state: str
    is_vm_detaching: bool
    hotplug: str
    is_unmanaged: bool
    is_vdi_busy: bool
    is_shared: bool
    is_readonly: bool


def is_plugged(vbd: AnyRow) -> bool:
    """Whether a VBD is attached, or reserved for a domain that is being made."""
    return bool(vbd["currently_attached"] or vbd["reserved"])


def _facts(rows: Rows, vbd: AnyRow) -> VbdFacts:
    vm, vdi = rows.get(vbd["VM"]), rows.get(vbd["VDI"])
    release = rows.personality
    power_state: str = vm["power_state"] if vm else "Halted"
    return VbdFacts(
        release.name,
        release.era,
        bool(vbd["current_operations"]),
        vbd["unpluggable"],
        vbd["type"] == "CD",
        vbd["empty"],
        is_plugged(vbd),
        power_state,
        vm is not None and any(op in VM_OPERATIONS_THAT_DETACH for op in operations_of(vm)),
        hotplug(rows, vm, "can_use_hotplug_vbd") if vm is not None and power_state == "Running" else "yes",
        vdi is not None and not vdi["managed"],
        vdi is not None and any(op not in ("mirror", "copy") for op in operations_of(vdi)),
        vdi is not None and _is_shared(rows, vbd, vdi),
        vdi is not None and vbd["mode"] == "RW" and vdi["read_only"],
    )


def hotplug(rows: Rows, vm: AnyRow, field: str) -> str:
    """Whether a running VM takes devices: "yes" (a PV one always), "no", "lacks drivers" or "old drivers"; ``hvm`` ones in front."""
    if not is_hvm(rows, vm):
        return "yes"
    metrics = rows.get(vm["guest_metrics"])
    if rows.personality.era != "modern":
        return _hotplug_of_2012(metrics)
    said: str = metrics[field] if metrics else "unspecified"
    if said == "no":
        return "hvm no"
    knows = metrics is not None and (said == "yes" or metrics["PV_drivers_detected"] or has_driver_version(metrics))
    return "hvm yes" if knows else "hvm lacks drivers"


def _hotplug_of_2012(metrics: AnyRow | None) -> str:
    """The releases of 2012 hear nothing of hotplug from a guest: they want the drivers of their own day."""
    if metrics is None or not has_driver_version(metrics):
        return "hvm lacks drivers"
    return "hvm yes" if metrics["PV_drivers_up_to_date"] else "hvm old drivers"


def _is_shared(rows: Rows, vbd: AnyRow, vdi: AnyRow) -> bool:
    """Whether another device uses the VDI in an incompatible way. A VDI that nobody can write is shared freely."""
    if vdi["sharable"] or vdi["read_only"] or len(vdi["VBDs"]) < 2:
        return False
    others = [other for identity in vdi["VBDs"] if (other := rows.get(identity)) is not None and other is not vbd]
    return any((vbd["mode"] == "RW" or other["mode"] == "RW") and _is_live(rows, other) for other in others)


def _is_live(rows: Rows, vbd: AnyRow) -> bool:
    """Whether a VBD holds its VDI, or is about to: two VMs that are started at once do not both get it."""
    vm = rows.get(vbd["VM"])
    is_out = vm is None or vm["power_state"] == "Suspended" or "is_system_domain" in vm["other_config"]
    return not is_out and (is_plugged(vbd) or bool(vbd["current_operations"]))


# ---- the decisions and errors that need more than a line -------------------------------------------------------------------------


def _needs_running_vm(vbd: VbdFacts, op: str) -> bool:
    if op in _PAUSES:
        return vbd.power_state not in ("Running", "Paused")
    return op in HOTPLUGS and vbd.power_state != "Running"


def _bad_power_state(case: Case) -> Failure:
    vm: int = case.row["VM"]
    return Failure("VM_BAD_POWER_STATE", Handle(vm), "running", case.view[vm]["power_state"].lower())


def _bad_media_state(case: Case) -> Failure:
    return Failure("VM_BAD_POWER_STATE", Handle(case.row["VM"]), "halted, running", "suspended")


def vm_is_detaching(case: Case) -> Failure:
    """Whether the VM of a device is shutting down."""
    vm: int = case.row["VM"]
    operation = next(op for op in operations_of(case.view[vm]) if op in VM_OPERATIONS_THAT_DETACH)
    return Failure("OPERATION_NOT_ALLOWED", f"Current operation on VM:{case.view.ref(vm)} is {operation}")


def lacks_drivers(case: Case) -> Failure:
    """Whether the VM of a device has no PV drivers."""
    return Failure("VM_MISSING_PV_DRIVERS", Handle(case.row["VM"]))


def old_drivers(case: Case) -> Failure:
    """The PV drivers of a device's VM are older than its host."""
    vm: int = case.row["VM"]
    version = case.view[case.view[vm]["guest_metrics"]]["PV_drivers_version"]
    return Failure("VM_OLD_PV_DRIVERS", Handle(vm), version["major"], version["minor"], version.get("micro", "-1"))


def _vdi_busy(case: Case) -> Failure:
    vdi: int = case.row["VDI"]
    if case.era == "modern":
        return busy_with(case.view, vdi)
    operation = next(iter(operations_of(case.view[vdi])))
    return Failure("OTHER_OPERATION_IN_PROGRESS", "VDI", Handle(vdi), operation)


def _about_vdi(code: str, case: Case) -> Failure:
    return Failure(code, Handle(case.row["VDI"]))


_GUARDS: tuple[Guard[VbdFacts], ...] = (
    Guard(lambda vbd, op: vbd.is_busy and op not in _PAUSES, busy),
    Guard(lambda vbd, op: not vbd.is_unpluggable and op in UNPLUGS, about_me("VBD_NOT_UNPLUGGABLE")),
    Guard(lambda vbd, op: not vbd.is_cd and op in _MEDIA, about_me("VBD_NOT_REMOVABLE_MEDIA")),
    Guard(lambda vbd, op: vbd.is_empty and op == "eject", about_me("VBD_IS_EMPTY")),
    Guard(lambda vbd, op: not vbd.is_empty and op == "insert", about_me("VBD_NOT_EMPTY")),
    Guard(lambda vbd, op: vbd.power_state == "Running" and vbd.is_plugged and op == "plug", about_me("DEVICE_ALREADY_ATTACHED")),
    Guard(lambda vbd, op: vbd.power_state == "Running" and not vbd.is_plugged and op in UNPLUGS, about_me("DEVICE_ALREADY_DETACHED")),
    Guard(_needs_running_vm, _bad_power_state),
    Guard(lambda vbd, op: vbd.is_vm_detaching and op in ("plug", "unplug"), vm_is_detaching),
    Guard(
        lambda vbd, op: vbd.hotplug == "hvm no" and op in HOTPLUGS,
        always("OPERATION_NOT_ALLOWED", "VM states it does not support VBD hotplug."),
    ),
    Guard(lambda vbd, op: vbd.hotplug == "hvm lacks drivers" and op in HOTPLUGS, lacks_drivers),
    Guard(lambda vbd, op: vbd.hotplug == "hvm old drivers" and op in HOTPLUGS, old_drivers),
    Guard(
        lambda vbd, op: vbd.hotplug.startswith("hvm") and vbd.is_cd and op in HOTPLUGS,
        always("OPERATION_NOT_ALLOWED", "HVM CDROMs cannot be hotplugged/unplugged, only inserted or ejected"),
    ),
    Guard(lambda vbd, op: vbd.is_cd and vbd.power_state == "Suspended" and op in _MEDIA, _bad_media_state),
    Guard(lambda vbd, _op: vbd.is_unmanaged, about_me("VDI_NOT_MANAGED")),
    Guard(lambda vbd, op: vbd.is_vdi_busy and op in ATTACHES, _vdi_busy),
    Guard(lambda vbd, op: vbd.is_shared and op in ATTACHES, lambda case: _about_vdi("VDI_IN_USE", case)),
    Guard(lambda vbd, op: vbd.is_readonly and op in ATTACHES, lambda case: _about_vdi("VDI_READONLY", case)),
)

VBD = Lifecycle(_facts, lambda _vbd: _GUARDS, lambda _vbd: _SHOWN)
"""What may be done to a VBD."""
