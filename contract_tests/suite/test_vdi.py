"""Disks: made, grown, snapshotted, cloned, copied and destroyed."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.made import HARDWARE, MARK, MIB, Made
from contract_tests.refusals import NEVER, NULL, refusal


@pytest.mark.rule("VDI.create")
def test_a_new_disk(xapi: Any, made: Made, sr: str) -> None:
    """A new disk is managed, present, unused, and at least as large as asked."""
    vdi = made.vdi(8 * MIB, name_description="a disk")
    record = xapi.VDI.get_record(vdi)
    facts = {name: record[name] for name in ("SR", "type", "managed", "missing", "read_only", "sharable", "is_a_snapshot", "snapshot_of")}
    assert facts == {
        "SR": sr,
        "type": "user",
        "managed": True,
        "missing": False,
        "read_only": False,
        "sharable": False,
        "is_a_snapshot": False,
        "snapshot_of": NULL,
    }
    assert int(record["virtual_size"]) >= 8 * MIB
    assert (record["VBDs"], record["name_description"], record["snapshot_time"].value) == ([], "a disk", NEVER)
    assert record["location"] != ""


@pytest.mark.rule("VDI.create")
def test_an_odd_size_is_rounded_up(xapi: Any, made: Made) -> None:
    """Drivers make whole units."""
    size = int(xapi.VDI.get_virtual_size(made.vdi(5 * MIB + 1)))
    assert size > 5 * MIB
    assert size % 512 == 0


@pytest.mark.rule("VDI.destroy")
def test_a_destroyed_disk_is_gone(xapi: Any, made: Made, sr: str) -> None:
    """The reference is dead and the repository has forgotten it."""
    vdi = made.vdi()
    xapi.VDI.destroy(vdi)
    assert refusal(xapi.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]
    assert vdi not in xapi.SR.get_VDIs(sr)


@pytest.mark.rule("VDI.destroy")
def test_a_destroyed_disk_takes_its_unplugged_devices(xapi: Any, made: Made, disk: str) -> None:
    """VBDs that point at nothing are destroyed too."""
    vm = made.vm()
    vbd = made.vbd(vm, disk)
    xapi.VDI.destroy(disk)
    assert refusal(xapi.VBD.get_record, vbd) == ["HANDLE_INVALID", "VBD", vbd]
    assert xapi.VM.get_VBDs(vm) == []


@pytest.mark.rule("VDI check 4", "VDI allowed operations")
def test_a_disk_in_use_is_not_destroyed(xapi: Any, made: Made, disk: str) -> None:
    """VDI_IN_USE [vdi, operation], and allowed_operations says so beforehand."""
    vm = made.vm(HARDWARE)
    made.vbd(vm, disk)
    assert "destroy" in xapi.VDI.get_allowed_operations(disk)
    xapi.VM.start(vm, False, False)
    assert not {"destroy", "resize", "forget"} & set(xapi.VDI.get_allowed_operations(disk))
    assert refusal(xapi.VDI.destroy, disk) == ["VDI_IN_USE", disk, "destroy"]
    assert refusal(xapi.VDI.resize, disk, str(16 * MIB)) == ["VDI_IN_USE", disk, "resize"]
    xapi.VM.hard_shutdown(vm)
    assert {"destroy", "resize", "forget"} <= set(xapi.VDI.get_allowed_operations(disk))


def test_a_disk_in_use_can_be_snapshotted(xapi: Any, made: Made, disk: str) -> None:
    """A snapshot needs no standstill."""
    vm = made.vm(HARDWARE)
    made.vbd(vm, disk)
    xapi.VM.start(vm, False, False)
    snapshot = made.keep_vdi(xapi.VDI.snapshot(disk))
    assert xapi.VDI.get_snapshot_of(snapshot) == disk


@pytest.mark.rule("VDI.resize")
def test_a_disk_grows(xapi: Any, disk: str) -> None:
    """Resize makes a disk larger."""
    xapi.VDI.resize(disk, str(32 * MIB))
    assert int(xapi.VDI.get_virtual_size(disk)) >= 32 * MIB


@pytest.mark.rule("VDI.resize")
def test_a_disk_does_not_shrink(xapi: Any, made: Made) -> None:
    """The driver refuses with an error of its own."""
    vdi = made.vdi(32 * MIB)
    size = xapi.VDI.get_virtual_size(vdi)
    assert refusal(xapi.VDI.resize, vdi, str(8 * MIB))[0].startswith("SR_BACKEND_FAILURE")
    assert xapi.VDI.get_virtual_size(vdi) == size


@pytest.mark.rule("VDI check 6", "VDI.resize_online")
def test_no_driver_grows_disks_in_use(xapi: Any, disk: str, sr: str) -> None:
    """resize_online is refused: SR_OPERATION_NOT_SUPPORTED [sr]."""
    assert "resize_online" not in xapi.VDI.get_allowed_operations(disk)
    assert refusal(xapi.VDI.resize_online, disk, str(32 * MIB)) == ["SR_OPERATION_NOT_SUPPORTED", sr]


@pytest.mark.rule("VDI.snapshot")
def test_a_snapshot_of_a_disk(xapi: Any, made: Made, disk: str) -> None:
    """A snapshot is dated, knows its disk, has its size and its notes."""
    snapshot = made.keep_vdi(xapi.VDI.snapshot(disk))
    old, new = xapi.VDI.get_record(disk), xapi.VDI.get_record(snapshot)
    assert (new["is_a_snapshot"], new["snapshot_of"], new["managed"]) == (True, disk, True)
    assert new["snapshot_time"].value > NEVER
    same = ("name_label", "name_description", "virtual_size", "type", "SR", "other_config", "sharable", "tags")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert xapi.VDI.get_snapshots(disk) == [snapshot]


@pytest.mark.rule("VDI.snapshot")
def test_a_snapshot_outlives_its_disk(xapi: Any, made: Made) -> None:
    """Destroying the disk leaves the snapshot, which then has none."""
    vdi = made.vdi()
    snapshot = made.keep_vdi(xapi.VDI.snapshot(vdi))
    xapi.VDI.destroy(vdi)
    assert xapi.VDI.get_is_a_snapshot(snapshot) is True
    assert xapi.VDI.get_snapshot_of(snapshot) in {NULL, vdi}


@pytest.mark.rule("VDI.clone")
def test_a_clone_of_a_disk(xapi: Any, made: Made, disk: str) -> None:
    """A clone is a plain disk like its source."""
    clone = made.keep_vdi(xapi.VDI.clone(disk))
    old, new = xapi.VDI.get_record(disk), xapi.VDI.get_record(clone)
    assert (new["is_a_snapshot"], new["snapshot_of"], new["managed"], new["read_only"]) == (False, NULL, True, False)
    assert (new["virtual_size"], new["SR"], new["other_config"][MARK]) == (old["virtual_size"], old["SR"], made.label)
    assert new["uuid"] != old["uuid"]


@pytest.mark.rule("VDI.copy")
def test_a_copy_of_a_disk(xapi: Any, made: Made, disk: str, sr: str) -> None:
    """A copy is a full disk of its own with the same name."""
    copy = made.keep_vdi(xapi.VDI.copy(disk, sr))
    old, new = xapi.VDI.get_record(disk), xapi.VDI.get_record(copy)
    assert (new["name_label"], new["virtual_size"], new["is_a_snapshot"], new["read_only"]) == (
        old["name_label"],
        old["virtual_size"],
        False,
        False,
    )


@pytest.mark.rule("VHD chain split")
def test_the_chain_of_a_snapshot_is_of_unmanaged_disks(xapi: Any, made: Made, disk: str, sr: str) -> None:
    """What disks share below them is never managed, and cannot be mistaken for a client's disk."""
    before = set(xapi.SR.get_VDIs(sr))
    snapshot = made.keep_vdi(xapi.VDI.snapshot(disk))
    new = set(xapi.SR.get_VDIs(sr)) - before - {snapshot}
    named = [ref for ref in new if xapi.VDI.get_name_label(ref) == xapi.VDI.get_name_label(disk)]
    assert {xapi.VDI.get_managed(ref) for ref in named} <= {False}


@pytest.mark.rule("VDI names")
def test_a_disk_is_renamed(xapi: Any, made: Made, disk: str) -> None:
    """Name and description are the client's to change."""
    name = made.name()
    xapi.VDI.set_name_label(disk, name)
    xapi.VDI.set_name_description(disk, "renamed")
    assert xapi.VDI.get_by_name_label(name) == [disk]
    assert xapi.VDI.get_name_description(disk) == "renamed"


def test_forgetting_in_the_database_alone_is_for_hosts(xapi: Any, disk: str) -> None:
    """db_forget is refused to every user: PERMISSION_DENIED."""
    assert refusal(xapi.VDI.db_forget, disk)[0] == "PERMISSION_DENIED"
    assert xapi.VDI.get_managed(disk) is True


@pytest.mark.rule("dispatch MESSAGE_DEPRECATED")
def test_force_unlock_was_given_up(xapi: Any, disk: str) -> None:
    """MESSAGE_DEPRECATED []."""
    assert refusal(xapi.VDI.force_unlock, disk) == ["MESSAGE_DEPRECATED"]


@pytest.mark.rule("SR check 2")
def test_the_tools_repository_makes_no_disks(xapi: Any, made: Made) -> None:
    """SR_OPERATION_NOT_SUPPORTED [sr]."""
    tools = [ref for ref, sr in xapi.SR.get_all_records().items() if sr["other_config"].get("xenserver_tools_sr") == "true"]
    if not tools:
        pytest.skip("this server has no tools repository")
    assert refusal(lambda: made.vdi(SR=tools[0])) == ["SR_OPERATION_NOT_SUPPORTED", tools[0]]


@pytest.mark.rule("SR.scan")
def test_a_repository_counts_its_disks(xapi: Any, made: Made, sr: str) -> None:
    """virtual_allocation is the sum of the sizes."""
    before = int(xapi.SR.get_virtual_allocation(sr))
    vdi = made.vdi(32 * MIB)
    xapi.SR.scan(sr)
    assert int(xapi.SR.get_virtual_allocation(sr)) - before >= int(xapi.VDI.get_virtual_size(vdi)) - 8 * MIB


@pytest.mark.requires("VDI.enable_cbt")
def test_changed_blocks_are_tracked_on_demand(xapi: Any, disk: str) -> None:
    """enable_cbt and disable_cbt turn cbt_enabled."""
    xapi.VDI.enable_cbt(disk)
    assert xapi.VDI.get_cbt_enabled(disk) is True
    xapi.VDI.disable_cbt(disk)
    assert xapi.VDI.get_cbt_enabled(disk) is False


@pytest.mark.rule("VDI check 10")
@pytest.mark.requires("VDI.data_destroy")
def test_only_a_snapshot_s_data_is_destroyed(xapi: Any, disk: str) -> None:
    """OPERATION_NOT_ALLOWED names the disk."""
    assert refusal(xapi.VDI.data_destroy, disk) == ["OPERATION_NOT_ALLOWED", f"VDI is not a snapshot: {disk}"]


@pytest.mark.rule("VDI check 11")
def test_a_shared_disk_is_not_snapshotted(xapi: Any, made: Made) -> None:
    """VDI_IS_SHARABLE [vdi]."""
    vdi = made.vdi(sharable=True)
    assert refusal(xapi.VDI.snapshot, vdi) == ["VDI_IS_SHARABLE", vdi]
    assert "snapshot" not in xapi.VDI.get_allowed_operations(vdi)


@pytest.mark.rule("VDI.snapshot and clone: cbt_enabled")
@pytest.mark.requires("VDI.enable_cbt")
def test_a_snapshot_keeps_tracking_and_a_clone_does_not(xapi: Any, made: Made, disk: str) -> None:
    """cbt_enabled goes with the snapshot."""
    xapi.VDI.enable_cbt(disk)
    snapshot, clone = made.keep_vdi(xapi.VDI.snapshot(disk)), made.keep_vdi(xapi.VDI.clone(disk))
    assert (xapi.VDI.get_cbt_enabled(snapshot), xapi.VDI.get_cbt_enabled(clone)) == (True, False)


@pytest.mark.rule("VDI check 13")
@pytest.mark.requires("VDI.enable_cbt")
def test_a_snapshot_is_not_tracked_anew(xapi: Any, made: Made, disk: str) -> None:
    """OPERATION_NOT_ALLOWED names the snapshot."""
    snapshot = made.keep_vdi(xapi.VDI.snapshot(disk))
    assert refusal(xapi.VDI.enable_cbt, snapshot) == ["OPERATION_NOT_ALLOWED", f"VDI is a snapshot: {snapshot}"]


@pytest.mark.rule("VDI check 10")
@pytest.mark.requires("VDI.data_destroy")
def test_a_snapshot_without_tracking_keeps_its_data(xapi: Any, made: Made, disk: str) -> None:
    """VDI_NO_CBT_METADATA [vdi]."""
    snapshot = made.keep_vdi(xapi.VDI.snapshot(disk))
    assert refusal(xapi.VDI.data_destroy, snapshot) == ["VDI_NO_CBT_METADATA", snapshot]


@pytest.mark.rule("VDI.data_destroy")
@pytest.mark.requires("VDI.data_destroy")
def test_a_tracked_snapshot_s_data_is_destroyed(xapi: Any, made: Made, disk: str) -> None:
    """What is left is the record of changed blocks: type cbt_metadata."""
    xapi.VDI.enable_cbt(disk)
    snapshot = made.keep_vdi(xapi.VDI.snapshot(disk))
    xapi.VDI.data_destroy(snapshot)
    assert xapi.VDI.get_type(snapshot) == "cbt_metadata"
    assert refusal(xapi.VDI.clone, snapshot) == ["VDI_INCOMPATIBLE_TYPE", snapshot, "cbt_metadata"]
