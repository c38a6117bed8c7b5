"""The devices of a golden host: PCI devices of its NICs, storage and graphics cards, the types of virtual cards, and USB sticks."""

from __future__ import annotations

from fake_xapi.fleet.gpus import CARD, GPUS, Gpu
from fake_xapi.fleet.hardware import Hardware
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.devices import usb, usb_devices, vgpu
from fake_xapi.verbs.devices.usb_devices import UsbDevice
from fake_xapi.verbs.networks import nics

CHIPSET = {"iommu": "true"}
_INTEL = {"vendor_id": "8086", "vendor_name": "Intel Corporation"}


def nic(edit: Edit, host: Id, number: int) -> Id:
    """The PCI device of a NIC: two ports share a card."""
    slot, port = divmod(number, 2)
    return edit.create(
        "PCI", host=host, pci_id=f"0000:{4 + slot:02x}:00.{port}", class_id="0200", class_name="Ethernet controller", device_id="1528",
        device_name="Ethernet Controller 10-Gigabit X540-AT2", driver_name="ixgbe", **_INTEL,
    )  # fmt: skip


def controller(edit: Edit, host: Id) -> Id:
    """The PCI device of the storage controller."""
    return edit.create(
        "PCI", host=host, pci_id="0000:00:1f.2", class_id="0106", class_name="SATA controller", device_id="1d02",
        device_name="C600/X79 series chipset 6-Port SATA AHCI Controller", driver_name="ahci", **_INTEL,
    )  # fmt: skip


def furnish(world: World, edit: Edit, host: Id, hardware: Hardware) -> None:
    """Add the optional hardware to a host."""
    controller(edit, host)
    for number in range(hardware.nics if hardware.nic_functions else 0):
        nics.set_virtual_functions(world, edit, host, f"eth{number}", hardware.nic_functions)
    for number in range(hardware.gpus):
        _card(edit, host, GPUS[hardware.gpu_model], number)
    for number in range(hardware.usb_devices):
        stick = UsbDevice(f"2-{number + 1}", "0781", "5591", "SanDisk", "Ultra USB 3.0", f"4C53000{number:05d}", "3.00", 5000.0)
        usb_devices.put_in(world, edit, host, stick)
        usb.create_row(edit, host, stick)


def _card(edit: Edit, host: Id, model: Gpu, number: int) -> Id:
    pci = edit.create(
        "PCI", host=host, pci_id=f"0000:{0x80 + number:02x}:00.0", class_id="0300", class_name="VGA compatible controller",
        vendor_id=model.vendor_id, vendor_name=model.vendor, device_id=model.device_id, device_name=model.device,
    )  # fmt: skip
    types = _types(edit, host, model)
    group = _group(edit, host, model)
    sizes = {kind: 1 if edit[kind]["implementation"] == "passthrough" else CARD // edit[kind]["size"] for kind in types}
    edit.set(group, supported_VGPU_types=types, enabled_VGPU_types=types)
    return edit.create(
        "PGPU", host=host, PCI=pci, GPU_group=group, size=CARD, supported_VGPU_types=types, enabled_VGPU_types=types,
        supported_VGPU_max_capacities=sizes, dom0_access="enabled",
    )  # fmt: skip


def _siblings(edit: Edit, host: Id, model: Gpu) -> list[Id]:
    """The cards of a model that the pool has already, those of its own host first."""
    hosts = [host, *(other for other in edit.touched() if other != host and edit.pending(other).cls == "host")]
    cards = (card for each in hosts for card in edit[each]["PGPUs"])
    return [card for card in cards if edit[edit[card]["PCI"]]["device_id"] == model.device_id]


def _group(edit: Edit, host: Id, model: Gpu) -> Id:
    """The group of all cards of a model in the pool."""
    siblings = _siblings(edit, host, model)
    if siblings:
        return int(edit[siblings[0]]["GPU_group"])
    return edit.create(
        "GPU_group", name_label=f"Group of {model.vendor} {model.device} GPUs", allocation_algorithm="depth_first",
        GPU_types=(f"{model.vendor_id}/{model.device_id}",),
    )  # fmt: skip


def _types(edit: Edit, host: Id, model: Gpu) -> tuple[Id, ...]:
    """The types that cards of a model support: a whole card, or a number of virtual ones of one type."""
    siblings = _siblings(edit, host, model)
    if siblings:
        return tuple(edit[siblings[0]]["supported_VGPU_types"])
    made = [vgpu.create_passthrough(edit)]
    for kind in model.types:
        made.append(
            edit.create(
                "VGPU_type", vendor_name=model.vendor, model_name=kind.model, framebuffer_size=kind.framebuffer_bytes,
                max_heads=kind.heads, max_resolution_x=kind.width, max_resolution_y=kind.height, size=CARD // kind.per_card,
                implementation=model.implementation, identifier=f"{model.implementation}:{model.device_id}:{kind.model}",
            )
        )  # fmt: skip
        edit.set(made[-1], compatible_types_on_pgpu=(made[-1],))
    if model.shares_a_vm:
        for kind_id in made[1:]:
            edit.set(kind_id, compatible_types_in_vm=tuple(made[1:]))
    return tuple(made)
