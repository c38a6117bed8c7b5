"""Devices that hosts give to VMs: graphics cards, USB devices, PCI devices, and trusted modules."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from contract_tests.made import Made
from contract_tests.refusals import refusal
from contract_tests.suite.conftest import booted
from contract_tests.target import Target


@pytest.fixture
def gpu_group(xapi: Any, made: Made) -> str:
    """A group of graphics cards without cards."""
    group: str = xapi.GPU_group.create(made.name(), "made by the contract suite", made.mark())
    made.later(xapi.GPU_group.destroy, group)
    return group


def usb_group(xapi: Any, made: Made) -> str:
    """A group of USB devices without devices."""
    group: str = xapi.USB_group.create(made.name(), "made by the contract suite", made.mark())
    made.later(xapi.USB_group.destroy, group)
    return group


# ---- graphics cards ----------------------------------------------------------------------------------------------------------------


def test_a_group_begins_without_cards(xapi: Any, gpu_group: str) -> None:
    """GPU_group.create: no cards, no types."""
    record = xapi.GPU_group.get_record(gpu_group)
    assert (record["PGPUs"], record["VGPUs"], record["GPU_types"]) == ([], [], [])


@pytest.mark.requires("GPU_group.get_remaining_capacity")
def test_a_group_fills_card_by_card(xapi: Any, gpu_group: str) -> None:
    """GPU_group.allocation_algorithm is depth_first unless it is changed."""
    assert xapi.GPU_group.get_allocation_algorithm(gpu_group) == "depth_first"
    xapi.GPU_group.set_allocation_algorithm(gpu_group, "breadth_first")
    assert xapi.GPU_group.get_allocation_algorithm(gpu_group) == "breadth_first"


def test_a_card_goes_with_its_vm(xapi: Any, made: Made, gpu_group: str) -> None:
    """VGPU.create for a halted VM; VM.destroy destroys it."""
    vm = made.vm()
    vgpu = xapi.VGPU.create(vm, gpu_group)
    record = xapi.VGPU.get_record(vgpu)
    assert (record["VM"], record["GPU_group"], record["device"], record["currently_attached"]) == (vm, gpu_group, "0", False)
    assert xapi.VM.get_VGPUs(vm) == [vgpu]
    xapi.VM.destroy(vm)
    assert refusal(xapi.VGPU.get_record, vgpu) == ["HANDLE_INVALID", "VGPU", vgpu]


def test_a_card_is_taken_away(xapi: Any, made: Made, gpu_group: str) -> None:
    """VGPU.destroy while the VM is halted."""
    vm = made.vm()
    xapi.VGPU.destroy(xapi.VGPU.create(vm, gpu_group))
    assert xapi.VM.get_VGPUs(vm) == []


def test_a_running_vm_gets_no_card(xapi: Any, made: Made, gpu_group: str, target: Target) -> None:
    """VGPU.create: VM_BAD_POWER_STATE [vm, "halted", actual]."""
    vm = booted(made, target)
    assert refusal(xapi.VGPU.create, vm, gpu_group) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]


@pytest.mark.requires("VGPU.get_type")
def test_whole_cards_are_not_mixed_with_others(xapi: Any, made: Made, gpu_group: str) -> None:
    """A second whole card: VGPU_TYPE_NOT_COMPATIBLE [type]."""
    vm = made.vm()
    vgpu = xapi.VGPU.create(vm, gpu_group)
    assert refusal(xapi.VGPU.create, vm, gpu_group) == ["VGPU_TYPE_NOT_COMPATIBLE", xapi.VGPU.get_type(vgpu)]


@pytest.mark.requires("GPU_group.get_remaining_capacity")
def test_a_group_without_cards_has_room_for_none(xapi: Any, made: Made, gpu_group: str) -> None:
    """GPU_group.get_remaining_capacity of an empty group is 0."""
    vgpu = xapi.VGPU.create(made.vm(), gpu_group)
    assert xapi.GPU_group.get_remaining_capacity(gpu_group, xapi.VGPU.get_type(vgpu)) == "0"


@pytest.mark.rule("VM.start_on check 6")
def test_a_vm_runs_where_its_card_is(xapi: Any, made: Made, host: str, gpu_group: str) -> None:
    """VM.start_on: VM_REQUIRES_GPU [vm, group], or VM_REQUIRES_IOMMU [host] where no device can be given away."""
    vm = made.vm()
    xapi.VGPU.create(vm, gpu_group)
    can_give = xapi.host.get_chipset_info(host).get("iommu") == "true"
    expected = ["VM_REQUIRES_GPU", vm, gpu_group] if can_give else ["VM_REQUIRES_IOMMU", host]
    assert refusal(xapi.VM.start_on, vm, host, False, False) == expected
    assert xapi.VM.get_possible_hosts(vm) == []


def test_a_group_goes_with_its_cards_of_vms(xapi: Any, made: Made, gpu_group: str) -> None:
    """GPU_group.destroy destroys VGPUs that are not attached."""
    vm = made.vm()
    vgpu = xapi.VGPU.create(vm, gpu_group)
    xapi.GPU_group.destroy(gpu_group)
    assert refusal(xapi.VGPU.get_record, vgpu) == ["HANDLE_INVALID", "VGPU", vgpu]
    assert xapi.VM.get_VGPUs(vm) == []


def test_a_group_with_cards_stays(xapi: Any) -> None:
    """GPU_group.destroy: GPU_GROUP_CONTAINS_PGPU [cards], unless a VM has one of them."""
    groups = {ref: record["PGPUs"] for ref, record in xapi.GPU_group.get_all_records().items() if record["PGPUs"]}
    if not groups:
        pytest.skip("this server has no graphics cards")
    group, pgpus = next(iter(groups.items()))
    refused = refusal(xapi.GPU_group.destroy, group)
    assert refused == ["GPU_GROUP_CONTAINS_PGPU", *pgpus] or refused[0] == "GPU_GROUP_CONTAINS_VGPU"


@pytest.mark.requires("PGPU.get_remaining_capacity")
def test_a_card_offers_what_is_enabled(xapi: Any, made: Made) -> None:
    """PGPU.remove_ and add_enabled_VGPU_types show in the card and its group, and in its room."""
    free = {ref: record for ref, record in xapi.PGPU.get_all_records().items() if not record["resident_VGPUs"]}
    if not free:
        pytest.skip("this server has no free graphics card")
    pgpu, record = next(iter(free.items()))
    kind = record["enabled_VGPU_types"][-1]
    made.later(xapi.PGPU.set_enabled_VGPU_types, pgpu, record["enabled_VGPU_types"])
    assert int(xapi.PGPU.get_remaining_capacity(pgpu, kind)) == int(record["supported_VGPU_max_capacities"][kind])
    xapi.PGPU.remove_enabled_VGPU_types(pgpu, kind)
    assert (kind in xapi.PGPU.get_enabled_VGPU_types(pgpu), xapi.PGPU.get_remaining_capacity(pgpu, kind)) == (False, "0")
    xapi.PGPU.add_enabled_VGPU_types(pgpu, kind)
    assert kind in xapi.PGPU.get_enabled_VGPU_types(pgpu)


# ---- PCI devices -------------------------------------------------------------------------------------------------------------------


def test_hosts_tell_of_their_pci_devices(xapi: Any, host: str) -> None:
    """Every device is of its host, has an address and a class, and no VM that is halted."""
    pcis = {ref: pci for ref, pci in xapi.PCI.get_all_records().items() if pci["host"] == host}
    assert sorted(pcis) == sorted(xapi.host.get_PCIs(host))
    assert all(pci["pci_id"] and pci["class_name"] for pci in pcis.values())
    owners = [vm["power_state"] for vm in xapi.VM.get_all_records().values() if set(vm["attached_PCIs"]) & pcis.keys()]
    assert set(owners) <= {"Running", "Paused"}


# ---- USB devices -------------------------------------------------------------------------------------------------------------------


@pytest.mark.requires("PUSB.scan")
def test_a_scan_finds_no_device_twice(xapi: Any, host: str) -> None:
    """PUSB.scan leaves what it knows."""
    before = sorted(xapi.PUSB.get_all())
    xapi.PUSB.scan(host)
    assert sorted(xapi.PUSB.get_all()) == before


@pytest.mark.requires("VUSB.create")
def test_a_vm_gets_a_usb_device(xapi: Any, made: Made) -> None:
    """VUSB.create for a halted VM: not attached, and only to be attached."""
    vm, group = made.vm(), usb_group(xapi, made)
    vusb = xapi.VUSB.create(vm, group, made.mark())
    record = xapi.VUSB.get_record(vusb)
    assert (record["VM"], record["USB_group"], record["currently_attached"]) == (vm, group, False)
    assert xapi.USB_group.get_VUSBs(group) == [vusb]
    xapi.VUSB.destroy(vusb)
    assert xapi.VM.get_VUSBs(vm) == []


@pytest.mark.requires("VUSB.create")
def test_a_usb_device_is_one_vm_s(xapi: Any, made: Made) -> None:
    """USB_GROUP_CONFLICT [group]."""
    group = usb_group(xapi, made)
    xapi.VUSB.create(made.vm(), group)
    assert refusal(xapi.VUSB.create, made.vm(), group) == ["USB_GROUP_CONFLICT", group]


@pytest.mark.requires("VUSB.create")
def test_a_vm_has_six_usb_devices(xapi: Any, made: Made) -> None:
    """TOO_MANY_VUSBS ["6"]."""
    vm = made.vm()
    for _ in range(6):
        xapi.VUSB.create(vm, usb_group(xapi, made))
    assert refusal(xapi.VUSB.create, vm, usb_group(xapi, made)) == ["TOO_MANY_VUSBS", "6"]


@pytest.mark.requires("VUSB.create")
def test_a_halted_vm_s_usb_device_is_not_unplugged(xapi: Any, made: Made) -> None:
    """VUSB.unplug: VM_BAD_POWER_STATE [vm, "running", "halted"]."""
    vm = made.vm()
    vusb = xapi.VUSB.create(vm, usb_group(xapi, made))
    assert refusal(xapi.VUSB.unplug, vusb) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]


@pytest.mark.rule("VM check 17")
@pytest.mark.requires("VUSB.create")
def test_a_vm_with_a_usb_device_is_not_snapshotted(xapi: Any, made: Made) -> None:
    """VM.snapshot: VM_HAS_VUSBS [vm], and allowed_operations agrees."""
    vm = made.vm()
    xapi.VUSB.create(vm, usb_group(xapi, made))
    assert refusal(xapi.VM.snapshot, vm, made.name()) == ["VM_HAS_VUSBS", vm]
    assert "snapshot" not in xapi.VM.get_allowed_operations(vm)


@pytest.mark.requires("USB_group.create")
def test_a_group_of_a_device_stays(xapi: Any) -> None:
    """USB_group.destroy: USB_GROUP_CONTAINS_PUSB [devices], unless a VM has it."""
    groups = {ref: record["PUSBs"] for ref, record in xapi.USB_group.get_all_records().items() if record["PUSBs"]}
    if not groups:
        pytest.skip("this server has no USB devices")
    group, pusbs = next(iter(groups.items()))
    refused = refusal(xapi.USB_group.destroy, group)
    assert refused == ["USB_GROUP_CONTAINS_PUSB", *pusbs] or refused[0] == "USB_GROUP_CONTAINS_VUSB"


# ---- trusted modules ---------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("VM check 21")
@pytest.mark.requires("VTPM.set_contents")
def test_a_vm_has_one_module(xapi: Any, made: Made) -> None:
    """VTPM.create; a second one: VTPM_MAX_AMOUNT_REACHED ["1"], and allowed_operations agrees."""
    vm = made.vm()
    assert "create_vtpm" in xapi.VM.get_allowed_operations(vm)
    vtpm = xapi.VTPM.create(vm, False)
    assert (xapi.VM.get_VTPMs(vm), xapi.VTPM.get_VM(vtpm)) == ([vtpm], vm)
    assert refusal(xapi.VTPM.create, vm, False) == ["VTPM_MAX_AMOUNT_REACHED", "1"]
    assert "create_vtpm" not in xapi.VM.get_allowed_operations(vm)
    xapi.VTPM.destroy(vtpm)
    assert xapi.VM.get_VTPMs(vm) == []


@pytest.mark.requires("VTPM.set_contents")
def test_a_running_vm_gets_no_module(xapi: Any, made: Made, target: Target) -> None:
    """VTPM.create: VM_BAD_POWER_STATE [vm, "halted", actual]."""
    vm = booted(made, target)
    assert refusal(xapi.VTPM.create, vm, False) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]


@pytest.mark.requires("VTPM.set_contents")
def test_a_module_knows_what_it_is_told(xapi: Any, made: Made) -> None:
    """VTPM.set_contents takes base64 and get_contents gives it back; anything else is INTERNAL_ERROR."""
    vtpm = xapi.VTPM.create(made.vm(), False)
    contents = base64.b64encode(bytes(range(64))).decode()
    xapi.VTPM.set_contents(vtpm, contents)
    assert xapi.VTPM.get_contents(vtpm) == contents
    assert refusal(xapi.VTPM.set_contents, vtpm, "not base64!")[0] == "INTERNAL_ERROR"
