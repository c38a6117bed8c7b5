"""The objects that a test makes on the server, and how they are removed.

Every object has the run's label in its other_config, so that leftovers can be found. VMs are removed first, since they hold on to the
rest, then everything else in reverse order. May not touch anything that it did not make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import XenAPI

from contract_tests.refusals import NULL

MARK: Final = "contract_tests"
MIB: Final = 1024 * 1024

PARAVIRTUAL: Final[dict[str, Any]] = {
    "name_description": "made by the contract suite",
    "user_version": "1",
    "is_a_template": False,
    "affinity": NULL,
    **dict.fromkeys(("memory_static_max", "memory_dynamic_max", "memory_dynamic_min", "memory_static_min"), str(256 * MIB)),
    "VCPUs_params": {},
    "VCPUs_max": "1",
    "VCPUs_at_startup": "1",
    "actions_after_shutdown": "destroy",
    "actions_after_reboot": "restart",
    "actions_after_crash": "destroy",
    "PV_bootloader": "pygrub",
    **dict.fromkeys(("PV_kernel", "PV_ramdisk", "PV_args", "PV_bootloader_args", "PV_legacy_args", "HVM_boot_policy", "PCI_bus"), ""),
    "HVM_boot_params": {},
    "platform": {},
    "recommendations": "",
}
HARDWARE: Final[dict[str, Any]] = {
    **PARAVIRTUAL,
    "PV_bootloader": "",
    "HVM_boot_policy": "BIOS order",
    "HVM_boot_params": {"order": "cd"},
    "platform": {"acpi": "true", "apic": "true", "pae": "true", "nx": "true", "viridian": "false"},
}


@dataclass(slots=True)
class Made:
    """The objects of one test (or of one module) on one server."""

    xapi: Any
    label: str
    sr: str
    network: str
    _vms: list[Callable[[], None]] = field(default_factory=list)
    _rest: list[Callable[[], None]] = field(default_factory=list)
    _serial: int = 0

    def name(self) -> str:
        """A unique name of ours."""
        self._serial += 1
        return f"{self.label}-{id(self):x}-{self._serial}"

    def mark(self, **other_config: str) -> dict[str, str]:
        """An other_config with the label of the run."""
        return {MARK: self.label, **other_config}

    def undo(self) -> None:
        """Undo everything and report the first failure."""
        failures: list[XenAPI.Failure] = []
        steps = [*reversed(self._vms), *reversed(self._rest)]
        self._vms, self._rest = [], []
        for step in steps:
            try:
                step()
            except XenAPI.Failure as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def later(self, undo: Callable[..., object], *params: object) -> None:
        """Register an undo step; it may find that the object is already gone."""
        self._rest.append(lambda: forgiving(undo, *params))

    def vm(self, base: dict[str, Any] | None = None, **fields: Any) -> str:
        """A halted VM, paravirtual unless ``base`` says otherwise, with the master as its affinity: the suite looks for it there."""
        home = self.xapi.pool.get_master(self.xapi.pool.get_all()[0])
        record = {**(base or PARAVIRTUAL), "affinity": home, "name_label": self.name(), "other_config": self.mark(), **fields}
        return self.keep_vm(self.xapi.VM.create(record))

    def keep_vm(self, vm: str) -> str:
        """Register for removal a VM that some call made, with its snapshots and its disks."""
        uuid = self.xapi.VM.get_uuid(vm)
        self._vms += [lambda: erase_messages(self.xapi, uuid), lambda: forgiving(erase_vm, self.xapi, vm)]
        return vm

    def vdi(self, size_bytes: int = 8 * MIB, **fields: Any) -> str:
        """A disk on the SR under test."""
        record = {
            "name_label": self.name(),
            "name_description": "",
            "SR": self.sr,
            "virtual_size": str(size_bytes),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": self.mark(),
            **fields,
        }
        return self.keep_vdi(self.xapi.VDI.create(record))

    def keep_vdi(self, vdi: str) -> str:
        """Register for removal a disk that some call made."""
        self.later(self.xapi.VDI.destroy, vdi)
        return vdi

    def vbd(self, vm: str, vdi: str = NULL, **fields: Any) -> str:
        """A disk device of a VM; without a VDI an empty CD drive. It is removed with its VM."""
        is_cd = vdi == NULL
        record = {
            "VM": vm,
            "VDI": vdi,
            "userdevice": "autodetect",
            "bootable": False,
            "mode": "RO" if is_cd else "RW",
            "type": "CD" if is_cd else "Disk",
            "empty": is_cd,
            "unpluggable": True,
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
            **fields,
        }
        vbd: str = self.xapi.VBD.create(record)
        return vbd

    def vif(self, vm: str, **fields: Any) -> str:
        """A network device of a VM. It is removed with its VM."""
        record = {
            "VM": vm,
            "network": self.network,
            "device": "0",
            "MAC": "",
            "MTU": "1500",
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
            **fields,
        }
        vif: str = self.xapi.VIF.create(record)
        return vif

    def private_network(self, **fields: Any) -> str:
        """A network without a NIC."""
        record = {"name_label": self.name(), "name_description": "", "MTU": "1500", "other_config": self.mark(), **fields}
        network: str = self.xapi.network.create(record)
        self.later(self.xapi.network.destroy, network)
        return network

    def keep_task(self, task: str) -> str:
        """Register a task for removal."""
        self.later(end_task, self.xapi, task)
        return task

    def task(self) -> str:
        """A task of the client's own."""
        return self.keep_task(self.xapi.task.create(self.name(), "made by the contract suite"))


def forgiving(undo: Callable[..., object], *params: object) -> None:
    """Undo something, unless it is already gone."""
    try:
        undo(*params)
    except XenAPI.Failure as failure:
        if failure.details[0] != "HANDLE_INVALID":
            raise


def erase_vm(xapi: Any, vm: str) -> None:
    """Remove a VM of ours with its snapshots and every disk that is plugged into it."""
    record = xapi.VM.get_record(vm)
    for snapshot in record["snapshots"]:
        forgiving(erase_vm, xapi, snapshot)
    if record["blocked_operations"]:
        xapi.VM.set_blocked_operations(vm, {})
    if record["power_state"] != "Halted":
        forgiving(xapi.VM.hard_shutdown, vm)
    devices = [xapi.VBD.get_record(vbd) for vbd in xapi.VM.get_VBDs(vm)]
    xapi.VM.destroy(vm)
    for vdi in {device["VDI"] for device in devices if device["type"] == "Disk"}:
        forgiving(erase_unused, xapi, vdi)


def namesakes(xapi: Any, vm: str) -> set[str]:
    """All VMs with the same name as this one."""
    return set(xapi.VM.get_by_name_label(xapi.VM.get_name_label(vm)))


def erase_messages(xapi: Any, uuid: str) -> None:
    """Remove the server's messages about a VM that is gone, which cannot be queried by the VM any more."""
    for message, record in xapi.message.get_all_records().items():
        if record["obj_uuid"] == uuid:
            forgiving(xapi.message.destroy, message)


def erase_unused(xapi: Any, vdi: str) -> None:
    """Remove a disk unless another VM still has it."""
    if not xapi.VDI.get_VBDs(vdi):
        xapi.VDI.destroy(vdi)


def end_task(xapi: Any, task: str) -> None:
    """Remove a task of ours. A pending one is ended first, where the release allows a client to do that."""
    if xapi.task.get_status(task) == "pending":
        try:
            xapi.task.set_status(task, "success")
        except XenAPI.Failure as failure:
            if failure.details[0] != "MESSAGE_METHOD_UNKNOWN":
                raise
    xapi.task.destroy(task)


def leftovers(xapi: Any, label: str) -> list[str]:
    """The objects on the server that still have a label, as "class name"; a task that the server was told to drop counts as gone."""
    found = [
        f"{name} {record['name_label']}"
        for name in ("VM", "VDI", "network", "SR")
        for record in getattr(xapi, name).get_all_records().values()
        if record["other_config"].get(MARK) == label and record.get("managed", True)
    ]
    found += [f"message {message['name']}" for message in xapi.message.get_all_records().values() if label in message["body"]]
    tasks = [record for record in xapi.task.get_all_records().values() if record["name_label"].startswith(label)]
    return sorted(found) + sorted(f"task {task['name_label']}" for task in tasks if "destroy" not in task["current_operations"].values())
