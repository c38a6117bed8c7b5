"""Queries about a VM, and the few requests that change nothing in the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.guest import balloon
from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.devices import devices
from fake_xapi.verbs.vms import memory, placement
from fake_xapi.verbs.vms.data_sources import forget_data_source_archives, get_data_sources, query_data_source, record_data_source

_SHARED = "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED"


def get_allowed_vbd_devices(call: Call, vm: Id) -> list[str]:
    """The device numbers that are free for VBDs."""
    return devices.free_disks(call.world, call.world[vm])


def get_allowed_vif_devices(call: Call, vm: Id) -> list[str]:
    """The device numbers that are free for VIFs."""
    return devices.free_vifs(call.world, call.world[vm])


def assert_can_boot_here(call: Call, vm: Id, host: Id) -> None:
    """Raise the reason why a VM could not be started on a host."""
    failure = placement.refusal(call.world, vm, host)
    if failure is not None:
        raise failure


def get_possible_hosts(call: Call, vm: Id) -> list[Id]:
    """The hosts on which the VM could be started."""
    return placement.possible_hosts(call.world, vm)


def get_boot_record(call: Call, vm: Id) -> dict[str, Any]:
    """The VM as it was when its domain was made."""
    row = call.world[vm]
    values = dict(zip(row.layout.names, row.values, strict=True))
    return {**values, "uuid": call.world.uuid(vm)}


def compute_memory_overhead(call: Call, vm: Id) -> int:
    """The bytes that the VM costs on top of its memory."""
    return memory.overhead_bytes(call.world[vm])


def maximise_memory(call: Call, vm: Id, total: int, approximate: bool) -> int:
    """The largest memory_static_max, in bytes, with which the VM fits into ``total``; rounded down to MiB."""
    row = call.world[vm]
    low, high = 0, max(0, total // memory.MIB)
    while low < high:
        middle = (low + high + 1) // 2
        needed = middle * memory.MIB + memory.overhead_bytes(_Sized(row, middle * memory.MIB))
        low, high = (middle, high) if needed <= total else (low, middle - 1)
    return low * memory.MIB


class _Sized:
    """A VM as it would be with a different memory_static_max."""

    def __init__(self, row: Any, size: int) -> None:
        self._row = row
        self._size = size

    def __getitem__(self, field: str) -> Any:
        return self._size if field == "memory_static_max" else self._row[field]

    @property
    def cls(self) -> str:
        """The class of the object."""
        return "VM"


def get_cooperative(call: Call, vm: Id) -> bool:
    """Whether the guest's balloon does as it is told, or has no need to."""
    return balloon.is_there(call, vm) or balloon.obeys(call, vm)


def assert_operation_valid(call: Call, vm: Id, operation: str) -> None:
    """Raise the reason why an operation would be refused."""
    failure = LIFECYCLES["VM"].check(call.world, vm, operation)
    if failure is not None:
        raise failure


def update_allowed_operations(call: Call, vm: Id) -> None:
    """Recompute the allowed operations; here they are never out of date."""
    with call.world.edit() as edit:
        edit.set(vm)


def assert_agile(call: Call, vm: Id) -> None:
    """Raise the reason why the VM is tied to one host: a disk on an SR that is not shared."""
    for sr in placement.storage_of(call.world, call.world[vm]):
        if not call.world[sr]["shared"]:
            raise Failure(_SHARED, Handle(sr))


def query_services(call: Call, vm: Id) -> dict[str, str]:
    """The services of a system domain: simulated ones offer none."""
    return {}


def send_sysrq(call: Call, vm: Id, key: str) -> None:
    """Refuse, as XAPI does: it never implemented this."""
    raise Failure("NOT_IMPLEMENTED", "send_sysrq")


def send_trigger(call: Call, vm: Id, trigger: str) -> None:
    """Refuse, as XAPI does: it never implemented this."""
    raise Failure("NOT_IMPLEMENTED", "send_trigger")


VERBS: Mapping[str, Verb] = {
    "VM.get_allowed_VBD_devices": get_allowed_vbd_devices,
    "VM.get_allowed_VIF_devices": get_allowed_vif_devices,
    "VM.assert_can_boot_here": assert_can_boot_here,
    "VM.get_possible_hosts": get_possible_hosts,
    "VM.get_boot_record": get_boot_record,
    "VM.compute_memory_overhead": compute_memory_overhead,
    "VM.maximise_memory": maximise_memory,
    "VM.get_cooperative": get_cooperative,
    "VM.assert_operation_valid": assert_operation_valid,
    "VM.update_allowed_operations": update_allowed_operations,
    "VM.assert_agile": assert_agile,
    "VM.get_data_sources": get_data_sources,
    "VM.query_data_source": query_data_source,
    "VM.record_data_source": record_data_source,
    "VM.forget_data_source_archives": forget_data_source_archives,
    "VM.query_services": query_services,
    "VM.send_sysrq": send_sysrq,
    "VM.send_trigger": send_trigger,
}
