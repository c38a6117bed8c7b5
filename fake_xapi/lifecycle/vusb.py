"""The lifecycle of a VUSB: plugging and unplugging."""

from __future__ import annotations

from typing import NamedTuple

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.rules import AnyRow, Case, Guard, Lifecycle, Rows, about_me, operations_of
from fake_xapi.lifecycle.vbd import VM_OPERATIONS_THAT_DETACH, vm_is_detaching

_HOTPLUGS = frozenset({"plug", "unplug"})
_SHOWN = ("attach", "plug", "unplug")


class VusbFacts(NamedTuple):
    """All that decides what may be done to a VUSB."""

    release: str
    era: Era
    is_busy: bool
    is_attached: bool
    power_state: str
    is_vm_detaching: bool


def _facts(rows: Rows, vusb: AnyRow) -> VusbFacts:
    vm = rows.get(vusb["VM"])
    return VusbFacts(
        rows.personality.name,
        rows.personality.era,
        bool(vusb["current_operations"]),
        vusb["currently_attached"],
        vm["power_state"] if vm is not None else "Halted",
        vm is not None and any(op in VM_OPERATIONS_THAT_DETACH for op in operations_of(vm)),
    )


def _busy(case: Case) -> Failure:
    """The refusal; XAPI names the operation of a VUSB without its task."""
    return Failure("OTHER_OPERATION_IN_PROGRESS", "VUSB", case.me, next(iter(case.row["current_operations"].values())))


def _bad_power_state(case: Case) -> Failure:
    vm: int = case.row["VM"]
    return Failure("VM_BAD_POWER_STATE", Handle(vm), "running", case.view[vm]["power_state"].lower())


_GUARDS: tuple[Guard[VusbFacts], ...] = (
    Guard(lambda vusb, _op: vusb.is_busy, _busy),
    Guard(lambda vusb, op: vusb.power_state == "Running" and vusb.is_attached and op == "plug", about_me("DEVICE_ALREADY_ATTACHED")),
    Guard(lambda vusb, op: vusb.power_state == "Running" and not vusb.is_attached and op == "unplug", about_me("DEVICE_ALREADY_DETACHED")),
    Guard(lambda vusb, op: vusb.power_state != "Running" and op in _HOTPLUGS, _bad_power_state),
    Guard(lambda vusb, op: vusb.is_vm_detaching and op in _HOTPLUGS, vm_is_detaching),
)

VUSB = Lifecycle(_facts, lambda _vusb: _GUARDS, lambda _vusb: _SHOWN)
"""What may be done to a VUSB."""
