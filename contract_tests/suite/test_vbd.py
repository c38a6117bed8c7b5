"""Disk devices: made, plugged, ejected and refused."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import HARDWARE, Made
from contract_tests.refusals import NULL, refusal


@pytest.fixture
def images(xapi: Any) -> list[str]:
    """ISO images that can be put into a drive."""
    isos = {ref for ref, sr in xapi.SR.get_all_records().items() if sr["content_type"] == "iso"}
    found = [ref for ref, vdi in xapi.VDI.get_all_records().items() if vdi["SR"] in isos]
    if not found:
        pytest.skip("no ISO image on this server")
    return found


@pytest.mark.rule("VBD.create autodetect")
def test_an_automatic_device_is_the_first_free_one(xapi: Any, made: Made) -> None:
    """Autodetect takes the lowest free number."""
    vm = made.vm()
    first, second = made.vbd(vm, made.vdi()), made.vbd(vm, made.vdi())
    assert [xapi.VBD.get_userdevice(vbd) for vbd in (first, second)] == ["0", "1"]
    xapi.VBD.destroy(first)
    assert xapi.VBD.get_userdevice(made.vbd(vm)) == "0"


@pytest.mark.rule("VBD.create metrics")
def test_a_new_device_is_detached(xapi: Any, made: Made, disk: str) -> None:
    """A new VBD of a halted VM is not attached and has metrics."""
    record = xapi.VBD.get_record(made.vbd(made.vm(), disk))
    facts = {name: record[name] for name in ("currently_attached", "device", "mode", "type", "empty", "VDI", "current_operations")}
    assert facts == {
        "currently_attached": False,
        "device": "",
        "mode": "RW",
        "type": "Disk",
        "empty": False,
        "VDI": disk,
        "current_operations": {},
    }
    assert xapi.VBD_metrics.get_record(record["metrics"])["io_read_kbs"] == 0.0


@pytest.mark.rule("VBD.create DEVICE_ALREADY_EXISTS")
def test_a_device_number_is_used_once(xapi: Any, made: Made, disk: str) -> None:
    """DEVICE_ALREADY_EXISTS [device]."""
    vm = made.vm()
    made.vbd(vm, disk, userdevice="3")
    assert refusal(lambda: made.vbd(vm, userdevice="3")) == ["DEVICE_ALREADY_EXISTS", "3"]


@pytest.mark.rule("VBD.create INVALID_DEVICE")
def test_a_device_must_have_a_name_that_exists(made: Made, disk: str) -> None:
    """INVALID_DEVICE [device]."""
    vm = made.vm()
    assert refusal(lambda: made.vbd(vm, disk, userdevice="frob")) == ["INVALID_DEVICE", "frob"]


@pytest.mark.rule("VBD.create VBD_CDS_MUST_BE_READONLY")
def test_a_cd_is_read_only(made: Made) -> None:
    """VBD_CDS_MUST_BE_READONLY []."""
    vm = made.vm()
    assert refusal(lambda: made.vbd(vm, mode="RW")) == ["VBD_CDS_MUST_BE_READONLY"]


@pytest.mark.rule("VBD.create VBD_NOT_REMOVABLE_MEDIA")
def test_a_disk_is_not_empty(made: Made) -> None:
    """Only drives may be empty."""
    vm = made.vm()
    assert refusal(lambda: made.vbd(vm, type="Disk", mode="RO")) == ["VBD_NOT_REMOVABLE_MEDIA", "in constructor"]


@pytest.mark.rule("VBD.create VDI_READONLY")
def test_a_read_only_disk_is_not_written(made: Made) -> None:
    """VDI_READONLY [vdi]."""
    vm, vdi = made.vm(), made.vdi(read_only=True)
    assert refusal(lambda: made.vbd(vm, vdi)) == ["VDI_READONLY", vdi]


@pytest.mark.rule("VBD check 6")
def test_a_halted_vm_s_device_is_not_plugged(xapi: Any, made: Made, halted: str, disk: str) -> None:
    """VM_BAD_POWER_STATE names the VM."""
    vbd = made.vbd(halted, disk)
    expected = ["VM_BAD_POWER_STATE", halted, "running", "halted"]
    assert (refusal(xapi.VBD.plug, vbd), refusal(xapi.VBD.unplug, vbd)) == (expected, expected)
    xapi.VBD.destroy(vbd)


@pytest.mark.rule("VBD.plug")
def test_a_disk_is_plugged_into_a_running_vm(xapi: Any, made: Made, guest: str, disk: str) -> None:
    """Plug gives the device a name and attaches it; unplug takes it away."""
    vbd = made.vbd(guest, disk)
    assert "plug" in xapi.VBD.get_allowed_operations(vbd)
    xapi.VBD.plug(vbd)
    assert xapi.VBD.get_currently_attached(vbd) is True
    assert xapi.VBD.get_device(vbd).startswith("xvd")
    assert {"unplug"} <= set(xapi.VBD.get_allowed_operations(vbd)) - {"plug"}
    assert "plug" not in xapi.VBD.get_allowed_operations(vbd)
    xapi.VBD.unplug(vbd)
    assert xapi.VBD.get_currently_attached(vbd) is False
    assert "unplug" not in xapi.VBD.get_allowed_operations(vbd)


@pytest.mark.rule("VBD check 5")
def test_a_device_is_plugged_once(xapi: Any, made: Made, guest: str, disk: str) -> None:
    """DEVICE_ALREADY_ATTACHED [vbd] and DEVICE_ALREADY_DETACHED [vbd]."""
    vbd = made.vbd(guest, disk)
    assert refusal(xapi.VBD.unplug, vbd) == ["DEVICE_ALREADY_DETACHED", vbd]
    xapi.VBD.plug(vbd)
    assert refusal(xapi.VBD.plug, vbd) == ["DEVICE_ALREADY_ATTACHED", vbd]


@pytest.mark.rule("VBD.destroy OPERATION_NOT_ALLOWED")
def test_an_attached_device_is_not_destroyed(xapi: Any, made: Made, guest: str, disk: str) -> None:
    """OPERATION_NOT_ALLOWED with both uuids."""
    vbd = made.vbd(guest, disk)
    xapi.VBD.plug(vbd)
    text = f"VBD '{xapi.VBD.get_uuid(vbd)}' still attached to '{xapi.VM.get_uuid(guest)}'"
    assert refusal(xapi.VBD.destroy, vbd) == ["OPERATION_NOT_ALLOWED", text]


@pytest.mark.rule("VBD check 2")
def test_a_device_may_be_made_to_stay(xapi: Any, made: Made, guest: str, disk: str) -> None:
    """VBD_NOT_UNPLUGGABLE [vbd]."""
    vbd = made.vbd(guest, disk, unpluggable=False)
    xapi.VBD.plug(vbd)
    assert refusal(xapi.VBD.unplug, vbd) == ["VBD_NOT_UNPLUGGABLE", vbd]


@pytest.mark.rule("VBD check 14")
def test_a_written_disk_is_not_plugged_twice(xapi: Any, made: Made, guest: str, running: str, disk: str) -> None:
    """VDI_IN_USE [vdi]."""
    here, there = made.vbd(guest, disk), made.vbd(running, disk)
    xapi.VBD.plug(here)
    assert refusal(xapi.VBD.plug, there)[:2] == ["VDI_IN_USE", disk]
    assert "plug" not in xapi.VBD.get_allowed_operations(there)
    xapi.VBD.destroy(there)


@pytest.mark.rule("VBD check 9")
def test_a_guest_without_drivers_takes_no_disk(xapi: Any, made: Made, bare: str, disk: str) -> None:
    """VM_MISSING_PV_DRIVERS [vm]."""
    vbd = made.vbd(bare, disk)
    assert refusal(xapi.VBD.plug, vbd) == ["VM_MISSING_PV_DRIVERS", bare]
    xapi.VBD.destroy(vbd)


@pytest.mark.rule("VBD check 4")
def test_an_empty_drive_has_nothing_to_eject(xapi: Any, made: Made) -> None:
    """VBD_IS_EMPTY [vbd]."""
    vbd = made.vbd(made.vm())
    assert (xapi.VBD.get_empty(vbd), xapi.VBD.get_VDI(vbd)) == (True, NULL)
    assert refusal(xapi.VBD.eject, vbd) == ["VBD_IS_EMPTY", vbd]


@pytest.mark.rule("VBD check 4")
def test_an_image_is_inserted_and_ejected(xapi: Any, made: Made, images: list[str]) -> None:
    """A full drive takes no other image; an ejected one is empty."""
    vbd = made.vbd(made.vm())
    xapi.VBD.insert(vbd, images[0])
    assert (xapi.VBD.get_empty(vbd), xapi.VBD.get_VDI(vbd)) == (False, images[0])
    assert refusal(xapi.VBD.insert, vbd, images[0]) == ["VBD_NOT_EMPTY", vbd]
    assert {"eject"} == {"insert", "eject"} & set(xapi.VBD.get_allowed_operations(vbd))
    xapi.VBD.eject(vbd)
    assert (xapi.VBD.get_empty(vbd), xapi.VBD.get_VDI(vbd)) == (True, NULL)
    assert {"insert"} == {"insert", "eject"} & set(xapi.VBD.get_allowed_operations(vbd))


@pytest.mark.rule("VBD.insert and eject")
def test_a_running_vm_s_drive_changes_its_image(xapi: Any, made: Made, images: list[str]) -> None:
    """Insert and eject work while the VM runs."""
    vm = made.vm(HARDWARE)
    vbd = made.vbd(vm)
    xapi.VM.start(vm, False, False)
    xapi.VBD.insert(vbd, images[0])
    assert xapi.VBD.get_VDI(vbd) == images[0]
    xapi.VBD.eject(vbd)
    assert xapi.VBD.get_empty(vbd) is True


@pytest.mark.rule("VBD check 3")
def test_a_disk_is_no_drive(xapi: Any, made: Made, disk: str) -> None:
    """VBD_NOT_REMOVABLE_MEDIA [vbd]."""
    vbd = made.vbd(made.vm(), disk)
    assert refusal(xapi.VBD.eject, vbd) == ["VBD_NOT_REMOVABLE_MEDIA", vbd]


@pytest.mark.rule("VBD.set_mode")
def test_a_halted_vm_s_device_changes_its_mode(xapi: Any, made: Made, disk: str) -> None:
    """set_mode is for halted VMs."""
    vbd = made.vbd(made.vm(), disk)
    xapi.VBD.set_mode(vbd, "RO")
    assert xapi.VBD.get_mode(vbd) == "RO"


@pytest.mark.rule("VM states of inner checks", "VBD.set_mode")
def test_a_running_vm_s_device_keeps_its_mode(xapi: Any, made: Made, running: str, disk: str) -> None:
    """VM_BAD_POWER_STATE names the VM."""
    vbd = made.vbd(running, disk)
    assert refusal(xapi.VBD.set_mode, vbd, "RO")[:2] == ["VM_BAD_POWER_STATE", running]
    xapi.VBD.destroy(vbd)


@pytest.mark.rule("VM.get_allowed_VBD_devices")
def test_free_device_numbers_are_offered(xapi: Any, made: Made, server: Server, disk: str) -> None:
    """The allowed devices are those of the release, less those in use."""
    vm = made.vm()
    made.vbd(vm, disk, userdevice="2")
    last = server.as_of(boston=15, modern=254)
    assert xapi.VM.get_allowed_VBD_devices(vm) == [str(number) for number in range(last + 1) if number != 2]
