"""What a cloud's agents ask of their host: many objects with one query, whole maps at once, rows of disks that lie there already."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import MARK, MIB, Made
from contract_tests.refusals import NULL, refusal

EPOCH = "19700101T00:00:00Z"


@pytest.fixture(scope="module")
def equipped(xapi: Any, shared: Made) -> dict[str, str]:
    """A VM with an interface, a disk and a drive, and what these hang on, by class."""
    vm, vdi = shared.vm(), shared.vdi()
    shared.vbd(vm)
    return {"VM": vm, "VDI": vdi, "VBD": shared.vbd(vm, vdi), "VIF": shared.vif(vm), "SR": shared.sr}


@pytest.mark.rule("query expressions")
@pytest.mark.parametrize(("cls", "column"), [("VBD", "VM"), ("VIF", "VM"), ("PBD", "SR"), ("VDI", "SR"), ("VBD", "VDI")])
def test_everything_of_one_object_is_found_at_once(xapi: Any, equipped: dict[str, str], cls: str, column: str) -> None:
    """What refers to an object is what the object lists, each with its whole record."""
    owner = equipped[column]
    listed = getattr(getattr(xapi, column), f"get_{cls}s")(owner)
    found = getattr(xapi, cls).get_all_records_where(f'field "{column}"="{owner}"')
    assert {ref: record["uuid"] for ref, record in found.items()} == {ref: getattr(xapi, cls).get_uuid(ref) for ref in listed}


@pytest.mark.rule("query expressions")
def test_two_columns_narrow_a_query(xapi: Any, equipped: dict[str, str]) -> None:
    """A device by its VM and place, a disk by its SR and name, an SR by its uuid."""
    vbd, vm, vdi, sr = (equipped[each] for each in ("VBD", "VM", "VDI", "SR"))
    device, name = xapi.VBD.get_userdevice(vbd), xapi.VDI.get_name_label(vdi)
    assert list(xapi.VBD.get_all_records_where(f'field "VM"="{vm}" and field "userdevice"="{device}"')) == [vbd]
    assert list(xapi.VDI.get_all_records_where(f'field "name__label"="{name}" and field "SR"="{sr}"')) == [vdi]
    assert list(xapi.SR.get_all_records_where(f'field "uuid"="{xapi.SR.get_uuid(sr)}"')) == [sr]


@pytest.mark.rule("query expressions")
def test_the_management_interface_of_a_host_is_found_by_that(xapi: Any, host: str) -> None:
    """There is one, and it is the host's."""
    (found,) = xapi.PIF.get_all_records_where(f'field "host"="{host}" and field "management"="true"').values()
    assert (found["host"], found["management"]) == (host, True)


@pytest.mark.parametrize(
    "cls", [pytest.param(cls, marks=pytest.mark.requires(f"{cls}.get_all_records")) for cls in ("GPU_group", "VGPU_type")]
)
def test_lists_that_may_be_empty_agree_with_their_records(xapi: Any, cls: str) -> None:
    """A host without a graphics card has neither groups nor types, or types that nothing offers."""
    calls = getattr(xapi, cls)
    assert set(calls.get_all_records()) == set(calls.get_all())


@pytest.mark.parametrize("field", ["other_config", "xenstore_data", "VCPUs_params"])
def test_a_map_is_replaced_whole(xapi: Any, made: Made, field: str) -> None:
    """What the new map lacks is gone."""
    vm = made.vm(**{field: {MARK: made.label, "weight": "64", "old": "1"}})
    wanted = {MARK: made.label, "weight": "256"}
    getattr(xapi.VM, f"set_{field}")(vm, wanted)
    assert getattr(xapi.VM, f"get_{field}")(vm) == wanted


def test_a_disk_s_other_config_is_replaced_whole(xapi: Any, made: Made) -> None:
    """So a disk is given all of its marks at once."""
    vdi = made.vdi(other_config=made.mark(old="1"))
    xapi.VDI.set_other_config(vdi, made.mark(new="2"))
    assert xapi.VDI.get_other_config(vdi) == made.mark(new="2")


def test_a_device_s_other_config_is_replaced_whole(xapi: Any, made: Made) -> None:
    """So a device is told whose it is."""
    vbd = made.vbd(made.vm(), made.vdi(), other_config={"old": "1"})
    xapi.VBD.set_other_config(vbd, {"new": "2"})
    assert xapi.VBD.get_other_config(vbd) == {"new": "2"}


def test_a_pool_is_called_as_somebody_says(xapi: Any, made: Made) -> None:
    """Afterwards it is called as before."""
    (pool,) = xapi.pool.get_all()
    before, name = xapi.pool.get_name_label(pool), made.name()
    made.later(xapi.pool.set_name_label, pool, before)
    xapi.pool.set_name_label(pool, name)
    assert xapi.pool.get_name_label(pool) == name


def test_processor_parameters_are_added_one_by_one(xapi: Any, made: Made) -> None:
    """MAP_DUPLICATE_KEY ["VM", "VCPUs_params", vm, key] for one that is there."""
    vm = made.vm(VCPUs_params={"weight": "64"})
    xapi.VM.add_to_VCPUs_params(vm, "cap", "50")
    assert xapi.VM.get_VCPUs_params(vm) == {"weight": "64", "cap": "50"}
    assert refusal(xapi.VM.add_to_VCPUs_params, vm, "cap", "60") == ["MAP_DUPLICATE_KEY", "VM", "VCPUs_params", vm, "cap"]


def test_a_vm_s_home_is_set_and_taken_away(xapi: Any, made: Made, host: str) -> None:
    """A halted VM may have none."""
    vm = made.vm()
    xapi.VM.set_affinity(vm, NULL)
    assert xapi.VM.get_affinity(vm) == NULL
    xapi.VM.set_affinity(vm, host)
    assert xapi.VM.get_affinity(vm) == host


def test_a_vm_is_found_by_its_name_its_uuid_and_its_devices(xapi: Any, equipped: dict[str, str]) -> None:
    """Every way leads to the same VM."""
    vm = equipped["VM"]
    assert xapi.VM.get_by_name_label(xapi.VM.get_name_label(vm)) == [vm]
    assert xapi.VM.get_by_uuid(xapi.VM.get_uuid(vm)) == vm
    assert {xapi.VBD.get_VM(vbd) for vbd in xapi.VM.get_VBDs(vm)} == {vm}


@pytest.mark.requires("VDI.db_introduce")
def test_a_row_is_made_for_a_disk_whose_file_is_there_already(xapi: Any, server: Server, made: Made) -> None:
    """It has what it was given, as far as the release takes it; forgetting the row leaves the storage alone."""
    identity, name = str(uuid.uuid4()), made.name()
    given = (identity, name, "", made.sr, "user", False, False, made.mark(), identity)
    more: tuple[object, ...] = ({}, {"vdi_type": "vhd"}, True, str(8 * MIB), str(1 * MIB), NULL, False, EPOCH, NULL)
    vdi = xapi.VDI.db_introduce(*given, *server.as_of(boston=(), tampa=more))
    made.later(xapi.VDI.forget, vdi)
    record = xapi.VDI.get_record(vdi)
    shown = ("uuid", "name_label", "SR", "location", "sharable", "read_only")
    assert [record[each] for each in shown] == [identity, name, made.sr, identity, False, False]
    size_and_form = (record["virtual_size"], record["managed"], record["sm_config"].get("vdi_type"))
    assert server.as_of(boston=None, tampa=size_and_form) == server.as_of(boston=None, tampa=(str(8 * MIB), True, "vhd"))
    xapi.VDI.forget(vdi)
    assert refusal(xapi.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]
