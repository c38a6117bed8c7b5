"""Devices of a host that a VM holds while it runs: PCI devices, graphics cards, USB devices and virtual functions of NICs.

Before a start the host is checked for them; after that the rows follow the domain as it comes and goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.devices import gpu_capacity
from fake_xapi.verbs.networks import sriov

PCI_KEY = "pci"
"""The key of a VM's other_config that names PCI devices: ``0/0000:04:00.0,1/0000:05:00.0``."""


# ---- why a host cannot have a VM: in the order of XAPI -----------------------------------------------------------------------------


def misses_iommu(world: World, vm: Id, row: Row, host: Id, host_row: Row) -> Failure | None:
    """VM_REQUIRES_IOMMU [host] for whole graphics cards on a host that cannot pass devices through."""
    whole = any(gpu_capacity.is_passthrough(world, world[vgpu]["type"]) for vgpu in row["VGPUs"])
    return Failure("VM_REQUIRES_IOMMU", Handle(host)) if whole and host_row["chipset_info"].get("iommu") != "true" else None


def misses_gpu(world: World, vm: Id, row: Row, host: Id, _host_row: Row) -> Failure | None:
    """VM_REQUIRES_GPU [vm, group] for a card that the host cannot provide; VM_REQUIRES_VGPU [vm, group, type] for one of several."""
    for vgpu in row["VGPUs"]:
        group: Id = world[vgpu]["GPU_group"]
        if not gpu_capacity.choose(world, group, host, world[vgpu]["type"], gpu_capacity.NOBODY):
            return Failure("VM_REQUIRES_GPU", Handle(vm), Handle(group))
    short = [vgpu for vgpu, pgpu in allocate(world, row, host).items() if not pgpu]
    if not short:
        return None
    card = world[short[0]]
    return Failure("VM_REQUIRES_VGPU", Handle(vm), Handle(card["GPU_group"]), Handle(card["type"]))


def misses_usb(world: World, vm: Id, row: Row, host: Id, _host_row: Row) -> Failure | None:
    """VM_REQUIRES_VUSB [vm, group] for a device that is in another host or in none."""
    for vusb in row["VUSBs"]:
        group: Id = world[vusb]["USB_group"]
        if not any(world[pusb]["host"] == host for pusb in world[group]["PUSBs"]):
            return Failure("VM_REQUIRES_VUSB", Handle(vm), Handle(group))
    return None


def misses_functions(world: World, vm: Id, _row: Row, host: Id, _host_row: Row) -> Failure | None:
    """NETWORK_SRIOV_INSUFFICIENT_CAPACITY [network]."""
    network = sriov.short_network(world, vm, host)
    return Failure("NETWORK_SRIOV_INSUFFICIENT_CAPACITY", Handle(network)) if network else None


REASONS = (misses_iommu, misses_gpu, misses_usb, misses_functions)


def allocate(rows: Any, vm: Any, host: Id) -> Mapping[Id, Id]:
    """The physical card of a host for each card of a VM; NULL where there is no room beside the others."""
    taken: dict[Id, list[Id]] = {}
    chosen: dict[Id, Id] = {}
    for vgpu in vm["VGPUs"]:
        card = rows[vgpu]
        pgpu = chosen[vgpu] = gpu_capacity.choose(rows, card["GPU_group"], host, card["type"], taken)
        taken.setdefault(pgpu, []).append(card["type"])
    return chosen


# ---- the rows of a domain ----------------------------------------------------------------------------------------------------------


def reserve(edit: Edit, vm: Id, host: Id) -> None:
    """Reserve the devices that a VM needs on a host until its domain exists; existing reservations stay."""
    row = edit[vm]
    if not any(edit[vgpu]["scheduled_to_be_resident_on"] for vgpu in row["VGPUs"]):
        for vgpu, pgpu in allocate(edit, row, host).items():
            _hold_card(edit, vm, vgpu, pgpu)
    for vif in row["VIFs"]:
        if not edit[vif]["reserved_pci"]:
            _hold_function(edit, vm, vif, host)


def _hold_card(edit: Edit, vm: Id, vgpu: Id, pgpu: Id) -> None:
    edit.set(vgpu, scheduled_to_be_resident_on=pgpu)
    pci: Id = edit[pgpu]["PCI"] if pgpu else 0
    if pci and gpu_capacity.is_passthrough(edit, edit[vgpu]["type"]):
        edit.set(pci, scheduled_to_be_attached_to=vm)


def _hold_function(edit: Edit, vm: Id, vif: Id, host: Id) -> None:
    found = sriov.sriov_of(edit, edit[vif]["network"], host)
    idle = sriov.idle_functions(edit, found) if found else []
    if idle:
        edit.set(vif, reserved_pci=idle[0])
        edit.set(idle[0], scheduled_to_be_attached_to=vm)


def release(edit: Edit, vm: Id) -> None:
    """Release the reservations for a domain that never came."""
    row = edit[vm]
    held = [edit[vif]["reserved_pci"] for vif in row["VIFs"]]
    for vgpu in row["VGPUs"]:
        pgpu: Id = edit[vgpu]["scheduled_to_be_resident_on"]
        held.append(edit[pgpu]["PCI"] if pgpu else 0)
        edit.set(vgpu, scheduled_to_be_resident_on=0)
    for pci in held:
        if pci and edit[pci]["scheduled_to_be_attached_to"] == vm:
            edit.set(pci, scheduled_to_be_attached_to=0)
    for vif in row["VIFs"]:
        edit.set(vif, reserved_pci=0)


def attach(edit: Edit, vm: Id, host: Id) -> None:
    """Attach the reserved devices to a domain; after a reboot, which reserves nothing, they are chosen anew."""
    row = edit[vm]
    reserve(edit, vm, host)
    for vgpu in row["VGPUs"]:
        _give_card(edit, vm, vgpu, edit[vgpu]["scheduled_to_be_resident_on"])
    for vif in row["VIFs"]:
        if edit[vif]["reserved_pci"]:
            _give(edit, edit[vif]["reserved_pci"], vm)
    for pci in _named_devices(edit, row, host):
        _give(edit, pci, vm)


def _give_card(edit: Edit, vm: Id, vgpu: Id, pgpu: Id) -> None:
    """Place a virtual card on a physical one; a whole card is that one's PCI device."""
    edit.set(vgpu, resident_on=pgpu, scheduled_to_be_resident_on=0)
    pci: Id = edit[pgpu]["PCI"] if pgpu else 0
    if pci and gpu_capacity.is_passthrough(edit, edit[vgpu]["type"]):
        edit.set(vgpu, PCI=pci)
        _give(edit, pci, vm)


def _give(edit: Edit, pci: Id, vm: Id) -> None:
    if vm not in edit[pci]["attached_VMs"]:
        edit.set(pci, attached_VMs=(*edit[pci]["attached_VMs"], vm), scheduled_to_be_attached_to=0)


def _named_devices(edit: Edit, vm: Any, host: Id) -> list[Id]:
    """The devices of a host that a VM's other_config names by address."""
    text: str = vm["other_config"].get(PCI_KEY, "")
    named = {part.rpartition("/")[2].strip() for part in text.split(",") if part.strip()}
    return [pci for pci in edit[host]["PCIs"] if edit[pci]["pci_id"] in named] if named else []


def detach(edit: Edit, vm: Id) -> None:
    """Free the devices of a domain that is gone."""
    row = edit[vm]
    for pci in row["attached_PCIs"]:
        edit.set(pci, attached_VMs=tuple(other for other in edit[pci]["attached_VMs"] if other != vm))
    for vgpu in row["VGPUs"]:
        edit.set(vgpu, resident_on=0, PCI=0)
    for vif in row["VIFs"]:
        edit.set(vif, reserved_pci=0)
