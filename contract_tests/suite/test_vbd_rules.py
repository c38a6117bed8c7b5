"""What may not be done to a disk device, and in which words: the rows of its table that a client can bring about."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import HARDWARE, Made
from contract_tests.refusals import NULL, refusal


@pytest.mark.rule("VBD.create INVALID_DEVICE")
@pytest.mark.parametrize("device", ["5", "xvdb", "xvdc1", "sdb", "hdc"])
def test_a_device_may_be_a_number_or_a_name(xapi: Any, made: Made, disk: str, device: str) -> None:
    """Userdevice is stored as it is given."""
    vbd = made.vbd(made.vm(), disk, userdevice=device)
    assert xapi.VBD.get_userdevice(vbd) == device


@pytest.mark.rule("VBD.create INVALID_DEVICE")
@pytest.mark.parametrize("device", ["", "xvd", "frob", "-1"])
def test_other_devices_do_not_exist(made: Made, disk: str, device: str) -> None:
    """INVALID_DEVICE [device]."""
    vm = made.vm()
    assert refusal(lambda: made.vbd(vm, disk, userdevice=device)) == ["INVALID_DEVICE", device]


@pytest.mark.rule("VBD.create VDI_INCOMPATIBLE_TYPE")
@pytest.mark.parametrize("kind", ["ha_statefile", "redo_log"])
def test_what_ha_writes_is_in_no_vm(made: Made, kind: str) -> None:
    """VDI_INCOMPATIBLE_TYPE [vdi, type]."""
    vm, vdi = made.vm(), made.vdi(type=kind)
    assert refusal(lambda: made.vbd(vm, vdi)) == ["VDI_INCOMPATIBLE_TYPE", vdi, kind]


@pytest.mark.rule("VBD.create attached")
def test_nobody_says_that_a_halted_vm_s_device_is_attached(xapi: Any, made: Made, disk: str) -> None:
    """currently_attached and device in the record count for suspended VMs alone."""
    vbd = made.vbd(made.vm(), disk, currently_attached=True, device="xvdz")
    assert (xapi.VBD.get_currently_attached(vbd), xapi.VBD.get_device(vbd)) == (False, "")


@pytest.mark.rule("VBD.destroy")
def test_a_device_goes_with_its_metrics(xapi: Any, made: Made, disk: str) -> None:
    """Both rows are gone, and the disk knows nothing of it."""
    vbd = made.vbd(made.vm(), disk)
    metrics = xapi.VBD.get_metrics(vbd)
    xapi.VBD.destroy(vbd)
    assert refusal(xapi.VBD.get_record, vbd) == ["HANDLE_INVALID", "VBD", vbd]
    assert refusal(xapi.VBD_metrics.get_record, metrics) == ["HANDLE_INVALID", "VBD_metrics", metrics]
    assert xapi.VDI.get_VBDs(disk) == []


@pytest.mark.rule("VBD check 14")
def test_a_disk_in_use_elsewhere_keeps_a_vm_from_starting(xapi: Any, made: Made, disk: str) -> None:
    """VDI_IN_USE [vdi]: somebody else writes it."""
    first, second = made.vm(HARDWARE), made.vm(HARDWARE)
    made.vbd(first, disk)
    there = made.vbd(second, disk)
    xapi.VM.start(first, False, False)
    assert refusal(xapi.VM.start, second, False, False)[:2] == ["VDI_IN_USE", disk]
    assert "attach" not in xapi.VBD.get_allowed_operations(there)
    assert refusal(xapi.VBD.assert_attachable, there)[:2] == ["VDI_IN_USE", disk]


@pytest.mark.rule("VBD check 14")
def test_a_sharable_disk_is_written_by_two(xapi: Any, made: Made) -> None:
    """Sharable disks are no reason to refuse."""
    vdi = made.vdi(sharable=True)
    for vm in (made.vm(HARDWARE), made.vm(HARDWARE)):
        vbd = made.vbd(vm, vdi)
        xapi.VM.start(vm, False, False)
        assert xapi.VBD.get_currently_attached(vbd) is True


@pytest.mark.rule("VBD check 14")
def test_readers_bear_one_another(xapi: Any, made: Made, disk: str) -> None:
    """Two VMs that only read start both."""
    for vm in (made.vm(), made.vm()):
        vbd = made.vbd(vm, disk, mode="RO")
        assert xapi.VBD.assert_attachable(vbd) == ""


@pytest.mark.rule("VBD check 15")
def test_a_disk_that_became_read_only_is_not_written(xapi: Any, made: Made, disk: str) -> None:
    """VDI_READONLY [vdi] when it is attached."""
    vbd = made.vbd(made.vm(), disk)
    xapi.VDI.set_read_only(disk, True)
    assert refusal(xapi.VBD.assert_attachable, vbd) == ["VDI_READONLY", disk]
    assert "attach" not in xapi.VBD.get_allowed_operations(vbd)
    xapi.VDI.set_read_only(disk, False)


@pytest.mark.rule("DISK_VBD_MUST_BE_READWRITE_FOR_HVM")
def test_an_emulated_disk_is_writable(xapi: Any, made: Made, disk: str) -> None:
    """DISK_VBD_MUST_BE_READWRITE_FOR_HVM [vbd] at start."""
    vm = made.vm(HARDWARE)
    vbd = made.vbd(vm, disk, mode="RO")
    assert refusal(xapi.VM.start, vm, False, False) == ["DISK_VBD_MUST_BE_READWRITE_FOR_HVM", vbd]


@pytest.mark.rule("VBD check 11")
def test_a_suspended_vm_s_drive_keeps_its_image(xapi: Any, made: Made, guest: str, disk: str) -> None:
    """VM_BAD_POWER_STATE [vm, "halted, running", "suspended"] of insert; the drive was there before."""
    drive = made.vbd(guest)
    xapi.VM.suspend(guest)
    assert refusal(xapi.VBD.insert, drive, disk) == ["VM_BAD_POWER_STATE", guest, "halted, running", "suspended"]
    assert not {"insert", "eject"} & set(xapi.VBD.get_allowed_operations(drive))


@pytest.mark.rule("VBD check 6")
@pytest.mark.parametrize("operation", ["plug", "unplug", "unplug_force"])
def test_a_halted_vm_s_device_rests(xapi: Any, made: Made, halted: str, disk: str, operation: str) -> None:
    """VM_BAD_POWER_STATE [vm, "running", "halted"], and allowed_operations says so."""
    vbd = made.vbd(halted, disk)
    assert refusal(getattr(xapi.VBD, operation), vbd) == ["VM_BAD_POWER_STATE", halted, "running", "halted"]
    assert operation not in xapi.VBD.get_allowed_operations(vbd)
    xapi.VBD.destroy(vbd)


def test_a_device_is_taken_by_force(xapi: Any, made: Made, guest: str, disk: str) -> None:
    """unplug_force asks nobody."""
    vbd = made.vbd(guest, disk)
    assert refusal(xapi.VBD.unplug_force, vbd) == ["DEVICE_ALREADY_DETACHED", vbd]
    xapi.VBD.plug(vbd)
    xapi.VBD.unplug_force(vbd)
    assert xapi.VBD.get_currently_attached(vbd) is False


@pytest.mark.rule("VBD.set_mode")
def test_a_device_s_mode_must_fit_its_disk(xapi: Any, made: Made) -> None:
    """VDI_READONLY [vdi] of set_mode; VBD_CDS_MUST_BE_READONLY [] of a drive's."""
    vm = made.vm()
    vdi = made.vdi(read_only=True)
    disk, drive = made.vbd(vm, vdi, mode="RO"), made.vbd(vm)
    assert refusal(xapi.VBD.set_mode, disk, "RW") == ["VDI_READONLY", vdi]
    assert refusal(xapi.VBD.set_mode, drive, "RW") == ["VBD_CDS_MUST_BE_READONLY"]
    xapi.VDI.set_read_only(vdi, False)


@pytest.mark.rule("VBD check 3")
def test_what_is_pulled_out_is_no_drive_s(xapi: Any, made: Made, disk: str) -> None:
    """VBD_NOT_REMOVABLE_MEDIA [vbd] of insert and eject."""
    vbd = made.vbd(made.vm(), disk)
    assert refusal(xapi.VBD.insert, vbd, disk) == ["VBD_NOT_REMOVABLE_MEDIA", vbd]
    assert not {"insert", "eject"} & set(xapi.VBD.get_allowed_operations(vbd))


@pytest.mark.rule("VBD qos")
def test_priorities_are_kept(xapi: Any, made: Made, disk: str) -> None:
    """qos_algorithm_params of ionice are what the client wrote."""
    vbd = made.vbd(made.vm(), disk, qos_algorithm_type="ionice", qos_algorithm_params={"sched": "rt", "class": "highest"})
    xapi.VBD.set_qos_algorithm_params(vbd, {"sched": "rt", "class": "5"})
    record = xapi.VBD.get_record(vbd)
    assert (record["qos_algorithm_type"], record["qos_algorithm_params"]) == ("ionice", {"sched": "rt", "class": "5"})
    assert record["qos_supported_algorithms"] == []


@pytest.mark.rule("VM.get_allowed_VBD_devices")
def test_emulated_devices_are_few_where_they_were(xapi: Any, made: Made, server: Server) -> None:
    """get_allowed_VBD_devices of a hardware-virtual VM without drivers: 0 to 3 in 2012, 0 to 254 today."""
    last = server.as_of(boston=3, modern=254)
    assert xapi.VM.get_allowed_VBD_devices(made.vm(HARDWARE)) == [str(number) for number in range(last + 1)]


@pytest.mark.rule("VM.get_allowed_VBD_devices")
def test_the_control_domain_takes_many(xapi: Any, dom0: str) -> None:
    """0 to 255, less those in use."""
    allowed = xapi.VM.get_allowed_VBD_devices(dom0)
    assert ("255" in allowed, "256" in allowed) == (True, False)


def test_a_drive_may_hold_an_image_from_the_beginning(xapi: Any, made: Made, server: Server, disk: str) -> None:
    """A drive that is not empty has a disk, in 2012 one that lies among media; one that is empty has none, whatever is said."""
    vm = made.vm()
    if server.era != "modern":
        content = xapi.SR.get_content_type(xapi.VDI.get_SR(disk))
        assert refusal(lambda: made.vbd(vm, disk, type="CD", mode="RO", empty=False)) == ["VDI_IS_NOT_ISO", disk, content]
        return
    full = made.vbd(vm, disk, type="CD", mode="RO", empty=False)
    empty = made.vbd(vm, type="CD", mode="RO", empty=True)
    assert (xapi.VBD.get_VDI(full), xapi.VBD.get_VDI(empty)) == (disk, NULL)
    xapi.VBD.eject(full)
    assert (xapi.VBD.get_VDI(full), xapi.VBD.get_empty(full)) == (NULL, True)
