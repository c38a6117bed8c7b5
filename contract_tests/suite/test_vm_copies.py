"""Snapshots, checkpoints, clones, copies, reverting and provisioning."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.made import MARK, MIB, Made
from contract_tests.refusals import NEVER, NULL, refusal


@pytest.fixture
def source(made: Made, disk: str) -> str:
    """A halted VM with a disk, an empty CD drive and a NIC."""
    vm = made.vm(name_description="the source", tags=["a", "b"])
    made.vbd(vm, disk, other_config={"owner": ""})
    made.vbd(vm)
    made.vif(vm)
    return vm


def disks(xapi: Any, vm: str) -> list[str]:
    """The VDIs on the VM's disk devices."""
    devices = [xapi.VBD.get_record(vbd) for vbd in xapi.VM.get_VBDs(vm)]
    return [device["VDI"] for device in devices if device["type"] == "Disk"]


@pytest.mark.rule("VM.snapshot")
def test_a_snapshot_is_a_template_of_its_vm(xapi: Any, made: Made, source: str) -> None:
    """A snapshot is halted, a template, dated and named; its VM knows it."""
    name = made.name()
    snapshot = made.keep_vm(xapi.VM.snapshot(source, name))
    record = xapi.VM.get_record(snapshot)
    facts = {
        key: record[key] for key in ("name_label", "power_state", "is_a_template", "is_a_snapshot", "snapshot_of", "domid", "resident_on")
    }
    assert facts == {
        "name_label": name,
        "power_state": "Halted",
        "is_a_template": True,
        "is_a_snapshot": True,
        "snapshot_of": source,
        "domid": "-1",
        "resident_on": NULL,
    }
    assert record["snapshot_time"].value > NEVER
    assert record["snapshot_info"]["power-state-at-snapshot"] == "Halted"
    assert f"('uuid' '{xapi.VM.get_uuid(source)}')" in record["snapshot_metadata"]
    assert xapi.VM.get_snapshots(source) == [snapshot]


@pytest.mark.rule("VM.snapshot")
def test_a_snapshot_copies_what_a_vm_is(xapi: Any, made: Made, source: str) -> None:
    """Description, tags, memory, seed and devices are the source's."""
    old = xapi.VM.get_record(source)
    new = xapi.VM.get_record(made.keep_vm(xapi.VM.snapshot(source, made.name())))
    same = ("name_description", "tags", "memory_static_max", "VCPUs_max", "platform", "actions_after_crash", "PV_bootloader", "affinity")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert new["other_config"]["mac_seed"] == old["other_config"]["mac_seed"]
    assert [xapi.VIF.get_MAC(vif) for vif in new["VIFs"]] == [xapi.VIF.get_MAC(vif) for vif in old["VIFs"]]
    assert len(new["VBDs"]) == len(old["VBDs"])
    assert new["metrics"] not in {NULL, old["metrics"]}


@pytest.mark.rule("VM.snapshot")
def test_a_snapshot_snapshots_the_disks(xapi: Any, made: Made, source: str, disk: str) -> None:
    """The disk of a snapshot is a snapshot of the disk."""
    snapshot = made.keep_vm(xapi.VM.snapshot(source, made.name()))
    (copy,) = disks(xapi, snapshot)
    record = xapi.VDI.get_record(copy)
    assert (record["is_a_snapshot"], record["snapshot_of"]) == (True, disk)
    assert record["snapshot_time"].value > NEVER
    assert xapi.VDI.get_snapshots(disk) == [copy]
    assert disks(xapi, source) == [disk]


@pytest.mark.rule("VM.snapshot")
def test_a_running_vm_s_snapshot_is_halted(xapi: Any, made: Made, running: str) -> None:
    """A snapshot of a running VM has its disks, not its memory; it notes the state."""
    snapshot = made.keep_vm(xapi.VM.snapshot(running, made.name()))
    assert (xapi.VM.get_power_state(snapshot), xapi.VM.get_power_state(running)) == ("Halted", "Running")
    assert xapi.VM.get_snapshot_info(snapshot)["power-state-at-snapshot"] == "Running"


@pytest.mark.rule("VM.checkpoint")
def test_a_checkpoint_has_the_memory(xapi: Any, made: Made, guest: str) -> None:
    """A checkpoint is suspended with an image of its own; the VM runs on."""
    checkpoint = made.keep_vm(xapi.VM.checkpoint(guest, made.name()))
    record = xapi.VM.get_record(checkpoint)
    assert (record["power_state"], record["is_a_snapshot"], record["snapshot_of"]) == ("Suspended", True, guest)
    assert xapi.VDI.get_type(record["suspend_VDI"]) == "suspend"
    assert xapi.VM.get_power_state(guest) == "Running"


@pytest.mark.rule("VM.snapshot parents")
def test_snapshots_form_a_line(xapi: Any, made: Made) -> None:
    """The newest snapshot is the VM's parent, the one before is its parent; destroying one joins the ends."""
    vm = made.vm()
    first = made.keep_vm(xapi.VM.snapshot(vm, made.name()))
    second = made.keep_vm(xapi.VM.snapshot(vm, made.name()))
    assert (xapi.VM.get_parent(first), xapi.VM.get_parent(second), xapi.VM.get_parent(vm)) == (NULL, first, second)
    assert xapi.VM.get_children(first) == [second]
    xapi.VM.destroy(second)
    assert xapi.VM.get_parent(vm) == first
    assert xapi.VM.get_snapshots(vm) == [first]


@pytest.mark.rule("VM.revert")
def test_reverting_brings_the_vm_back(xapi: Any, made: Made, source: str) -> None:
    """Fields are as they were, the disk is a new one made from the snapshot, the VM is the same."""
    snapshot = made.keep_vm(xapi.VM.snapshot(source, made.name()))
    uuid, (before,) = xapi.VM.get_uuid(source), disks(xapi, source)
    xapi.VM.set_name_description(source, "changed")
    xapi.VM.revert(snapshot)
    (after,) = disks(xapi, source)
    made.keep_vdi(after)
    assert xapi.VM.get_name_description(source) == "the source"
    assert (xapi.VM.get_uuid(source), xapi.VM.get_power_state(source), xapi.VM.get_parent(source)) == (uuid, "Halted", snapshot)
    (kept,) = disks(xapi, snapshot)
    assert after != kept
    assert (after == before) or refusal(xapi.VDI.get_record, before) == ["HANDLE_INVALID", "VDI", before]
    assert xapi.VDI.get_snapshot_of(kept) == after


@pytest.mark.rule("VM.clone")
def test_a_clone_is_a_vm_of_its_own(xapi: Any, made: Made, source: str) -> None:
    """A clone is no snapshot, has the new name, a new seed and new devices."""
    name = made.name()
    clone = made.keep_vm(xapi.VM.clone(source, name))
    old, new = xapi.VM.get_record(source), xapi.VM.get_record(clone)
    assert (new["name_label"], new["is_a_snapshot"], new["snapshot_of"], new["is_a_template"]) == (name, False, NULL, False)
    assert (new["snapshots"], new["parent"], new["snapshot_time"].value) == ([], NULL, NEVER)
    same = ("name_description", "tags", "memory_static_max", "VCPUs_max", "platform", "actions_after_crash")
    assert {key: new[key] for key in same} == {key: old[key] for key in same}
    assert new["other_config"]["mac_seed"] != old["other_config"]["mac_seed"]
    assert new["other_config"][MARK] == made.label
    assert not set(new["VBDs"]) & set(old["VBDs"])
    assert new["metrics"] != old["metrics"]


@pytest.mark.rule("VM copies of fields")
def test_a_copy_owns_its_disks(xapi: Any, made: Made, disk: str) -> None:
    """Whoever owns the originals, tools destroy the disks of a clone or a snapshot with it."""
    vm = made.vm()
    made.vbd(vm, disk)
    made.vbd(vm)
    for copied in (xapi.VM.clone, xapi.VM.snapshot):
        copy = xapi.VM.get_record(made.keep_vm(copied(vm, made.name())))
        vbds = [xapi.VBD.get_record(vbd) for vbd in copy["VBDs"]]
        assert {vbd["type"]: "owner" in vbd["other_config"] for vbd in vbds} == {"Disk": True, "CD": False}


@pytest.mark.rule("VM.clone")
def test_a_clone_has_addresses_of_its_own(xapi: Any, made: Made, source: str) -> None:
    """Every MAC of a clone is chosen anew, whoever chose the source's."""
    fixed = made.vif(source, device="1", MAC="02:16:3e:00:00:01")
    clone = made.keep_vm(xapi.VM.clone(source, made.name()))
    old = {xapi.VIF.get_device(vif): xapi.VIF.get_MAC(vif) for vif in xapi.VM.get_VIFs(source)}
    new = {xapi.VIF.get_device(vif): xapi.VIF.get_MAC(vif) for vif in xapi.VM.get_VIFs(clone)}
    assert xapi.VIF.get_MAC_autogenerated(fixed) is False
    assert {xapi.VIF.get_MAC_autogenerated(vif) for vif in xapi.VM.get_VIFs(clone)} == {True}
    assert set(new) == set(old)
    assert not set(new.values()) & set(old.values())


@pytest.mark.rule("VM.clone")
def test_a_clone_has_disks_of_its_own(xapi: Any, made: Made, source: str, disk: str) -> None:
    """The clone's disk is another one of the same size and mark."""
    clone = made.keep_vm(xapi.VM.clone(source, made.name()))
    (copy,) = disks(xapi, clone)
    old, new = xapi.VDI.get_record(disk), xapi.VDI.get_record(copy)
    assert copy != disk
    assert (new["virtual_size"], new["is_a_snapshot"], new["snapshot_of"], new["managed"]) == (old["virtual_size"], False, NULL, True)
    assert new["other_config"][MARK] == made.label


@pytest.mark.rule("VM.clone of a template")
def test_a_clone_of_a_template_is_a_template(xapi: Any, made: Made, template: str) -> None:
    """is_a_template is as the source's; the clone remembers where it came from."""
    clone = made.keep_vm(xapi.VM.clone(template, made.name()))
    record = xapi.VM.get_record(clone)
    assert record["is_a_template"] is True
    assert record["other_config"]["base_template_name"] == xapi.VM.get_name_label(template)


@pytest.mark.rule("VM.clone of a snapshot")
def test_a_clone_of_a_snapshot_is_a_template(xapi: Any, made: Made, snapshot: str) -> None:
    """A snapshot's clone is a template and no snapshot."""
    clone = made.keep_vm(xapi.VM.clone(snapshot, made.name()))
    assert (xapi.VM.get_is_a_template(clone), xapi.VM.get_is_a_snapshot(clone)) == (True, False)


@pytest.mark.rule("VM.copy")
@pytest.mark.parametrize("place", ["the same repository", "a named repository"])
def test_a_copy_is_whole(xapi: Any, made: Made, source: str, sr: str, place: str) -> None:
    """Copy makes full disks, in the repository that is named or in the source's."""
    copy = made.keep_vm(xapi.VM.copy(source, made.name(), NULL if place == "the same repository" else sr))
    (new,) = disks(xapi, copy)
    record = xapi.VDI.get_record(new)
    assert (record["SR"], record["is_a_snapshot"], record["read_only"]) == (sr, False, False)
    assert record["virtual_size"] == xapi.VDI.get_virtual_size(disks(xapi, source)[0])
    assert xapi.VM.get_power_state(copy) == "Halted"


@pytest.mark.rule("VM.destroy")
def test_a_destroyed_vm_takes_its_devices_and_leaves_its_disks(xapi: Any, source: str, disk: str) -> None:
    """VBDs, VIFs and metrics go with the VM; VDIs stay."""
    record = xapi.VM.get_record(source)
    xapi.VM.destroy(source)
    assert refusal(xapi.VM.get_record, source) == ["HANDLE_INVALID", "VM", source]
    for name, ref in [("VBD", record["VBDs"][0]), ("VIF", record["VIFs"][0]), ("VM_metrics", record["metrics"])]:
        assert refusal(getattr(xapi, name).get_record, ref) == ["HANDLE_INVALID", name, ref]
    assert xapi.VDI.get_VBDs(disk) == []


@pytest.mark.rule("VM.provision")
def test_provisioning_makes_the_disks(xapi: Any, made: Made, sr: str) -> None:
    """The template's list of disks becomes real ones, and the template a VM."""
    device = f'<disk device="0" size="{16 * MIB}" sr="{xapi.SR.get_uuid(sr)}" bootable="true" type="system"/>'
    vm = made.vm(is_a_template=True, other_config=made.mark(disks=f"<provision>{device}</provision>"))
    xapi.VM.provision(vm)
    assert xapi.VM.get_is_a_template(vm) is False
    (vdi,) = disks(xapi, vm)
    made.keep_vdi(vdi)
    record = xapi.VDI.get_record(vdi)
    assert (record["SR"], record["type"]) == (sr, "system")
    assert int(record["virtual_size"]) >= 16 * MIB
    (vbd,) = xapi.VM.get_VBDs(vm)
    device_record = xapi.VBD.get_record(vbd)
    assert (device_record["userdevice"], device_record["bootable"], device_record["mode"]) == ("0", True, "RW")
    assert "start" in xapi.VM.get_allowed_operations(vm)


@pytest.mark.rule("VM.copy to ISOs")
def test_a_copy_to_images_is_refused(xapi: Any, made: Made, source: str) -> None:
    """OPERATION_NOT_ALLOWED [text]: a repository of images holds no disks."""
    images = [ref for ref, sr in xapi.SR.get_all_records().items() if sr["content_type"] == "iso"]
    if not images:
        pytest.skip("no repository of images on this server")
    expected = ["OPERATION_NOT_ALLOWED", "Cannot copy a VM's disks to an ISO SR"]
    assert refusal(xapi.VM.copy, source, made.name(), images[0]) == expected
    assert xapi.VM.get_current_operations(source) == {}


@pytest.mark.rule("VM.clone")
def test_a_clone_shares_the_image_in_its_drive(xapi: Any, made: Made) -> None:
    """A CD is not copied."""
    isos = {ref for ref, sr in xapi.SR.get_all_records().items() if sr["content_type"] == "iso"}
    images = [ref for ref, vdi in xapi.VDI.get_all_records().items() if vdi["SR"] in isos]
    if not images:
        pytest.skip("no ISO image on this server")
    vm = made.vm()
    xapi.VBD.insert(made.vbd(vm), images[0])
    clone = made.keep_vm(xapi.VM.clone(vm, made.name()))
    (drive,) = [xapi.VBD.get_record(vbd) for vbd in xapi.VM.get_VBDs(clone)]
    assert (drive["type"], drive["VDI"], drive["empty"]) == ("CD", images[0], False)


@pytest.mark.rule("VM.clone of a snapshot")
def test_a_snapshot_of_the_past_can_be_cloned_and_started(xapi: Any, made: Made, source: str) -> None:
    """Clone, unmark, start: how a VM is made from a snapshot."""
    snapshot = made.keep_vm(xapi.VM.snapshot(source, made.name()))
    clone = made.keep_vm(xapi.VM.clone(snapshot, made.name()))
    xapi.VM.set_is_a_template(clone, False)
    assert "start" in xapi.VM.get_allowed_operations(clone)
    assert len(disks(xapi, clone)) == 1
    assert not set(disks(xapi, clone)) & set(disks(xapi, snapshot))
