"""The lifecycles by class, and whose `allowed_operations` may change along with an object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.host import HOST
from fake_xapi.lifecycle.operations import OPERATIONS
from fake_xapi.lifecycle.pool import POOL
from fake_xapi.lifecycle.rules import AnyRow, Rows, View
from fake_xapi.lifecycle.sr import SR
from fake_xapi.lifecycle.vbd import VBD
from fake_xapi.lifecycle.vdi import VDI
from fake_xapi.lifecycle.vif import VIF
from fake_xapi.lifecycle.vm import VM
from fake_xapi.lifecycle.vm_appliance import VM_APPLIANCE
from fake_xapi.lifecycle.vusb import VUSB
from fake_xapi.state.ids import Id

__all__ = ["LIFECYCLES", "OPERATIONS", "Rules", "dependents"]


class Rules(Protocol):
    """The engine's view of a lifecycle."""

    def check(self, view: View, identity: Id, operation: str, *, strict: bool = True) -> Failure | None:
        """The reason why an operation is refused, None when it may begin."""
        ...

    def allowed(self, rows: Rows, identity: Id) -> tuple[str, ...]:
        """The value of `allowed_operations`."""
        ...


LIFECYCLES: Mapping[str, Rules] = {
    "VM": VM, "VBD": VBD, "VDI": VDI, "VIF": VIF, "SR": SR, "host": HOST, "pool": POOL, "VUSB": VUSB, "VM_appliance": VM_APPLIANCE,
}  # fmt: skip


def dependents(rows: Rows, identity: Id, *, is_mark: bool = False) -> Iterable[Id]:
    """The objects, besides the changed one itself, whose `allowed_operations` may depend on it. Not transitive.

    ``is_mark``: only its `current_operations` changed, which fewer rules look at. Guest metrics and VM metrics do not know their VM:
    whoever changes them touches the VM in the same edit (``edit.set(vm)``).
    """
    row = rows.get(identity)
    follow = (_DEPENDENTS_OF_MARKS if is_mark else _DEPENDENTS).get(row.cls) if row is not None else None
    return follow(rows, row, identity) if follow is not None and row is not None else ()


def _of_vm(rows: Rows, vm: AnyRow, _identity: Id) -> Iterable[Id]:
    """Its devices and its appliance; and, for a shared disk, the devices that share it."""
    if vm["appliance"]:
        yield vm["appliance"]
    yield from vm["VIFs"]
    yield from vm["VUSBs"]
    for vbd in vm["VBDs"]:
        yield vbd
        row = rows.get(vbd)
        if row is not None and row["VDI"]:
            yield from _sharers(rows, row["VDI"], vbd)


def _of_vbd(rows: Rows, vbd: AnyRow, identity: Id) -> Iterable[Id]:
    yield vbd["VM"]
    if vbd["VDI"]:
        yield vbd["VDI"]
        yield from _sharers(rows, vbd["VDI"], identity)


def _disk_of_vbd(rows: Rows, vbd: AnyRow, identity: Id) -> Iterable[Id]:
    """Its VDI and whoever shares it."""
    if vbd["VDI"]:
        yield vbd["VDI"]
        yield from _sharers(rows, vbd["VDI"], identity)


def _sharers(rows: Rows, vdi: Id, vbd: Id) -> Iterable[Id]:
    """The other VBDs of a VDI, if it is writable: it does not matter who else reads an ISO."""
    row = rows.get(vdi)
    if row is None or row["read_only"] or len(row["VBDs"]) < 2:
        return ()
    return (other for other in row["VBDs"] if other != vbd)


def _of_vdi(rows: Rows, vdi: AnyRow, _identity: Id) -> Iterable[Id]:
    """Its VBDs, and their VMs: what a disk does at boot decides where its VM may go."""
    for vbd in vdi["VBDs"]:
        yield vbd
        row = rows.get(vbd)
        if row is not None:
            yield row["VM"]


def _vbds_of_vdi(_rows: Rows, vdi: AnyRow, _identity: Id) -> Iterable[Id]:
    yield from vdi["VBDs"]


def _of_pbd(rows: Rows, pbd: AnyRow, _identity: Id) -> Iterable[Id]:
    yield pbd["SR"]
    sr = rows.get(pbd["SR"])
    if sr is not None:
        yield from sr["VDIs"]


_DEPENDENTS: Mapping[str, Callable[[Any, Any, Id], Iterable[Id]]] = {"VM": _of_vm, "VBD": _of_vbd, "VDI": _of_vdi, "PBD": _of_pbd}
_DEPENDENTS_OF_MARKS: Mapping[str, Callable[[Any, Any, Id], Iterable[Id]]] = {"VM": _of_vm, "VBD": _disk_of_vbd, "VDI": _vbds_of_vdi}
