"""What may not be done to a disk, and in which words: the rows of the table of a VDI's operations that a client can bring about."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import HARDWARE, MIB, Made
from contract_tests.refusals import NULL, refusal

Act = Callable[[], Any]


@pytest.fixture
def held(xapi: Any, made: Made, disk: str) -> str:
    """A disk that a running VM writes."""
    vm = made.vm(HARDWARE)
    made.vbd(vm, disk)
    xapi.VM.start(vm, False, False)
    return disk


@pytest.fixture
def tools(xapi: Any) -> str:
    """The product's own repository."""
    found = [ref for ref, sr in xapi.SR.get_all_records().items() if sr["other_config"].get("xenserver_tools_sr") == "true"]
    if not found:
        pytest.skip("this server has no tools repository")
    return str(found[0])


@pytest.fixture
def resetting(xapi: Any, sr: str, disk: str) -> str:
    """A disk that forgets at each boot."""
    driver = next(row for row in xapi.SM.get_all_records().values() if row["type"] == xapi.SR.get_type(sr))
    if not any(feature.startswith("VDI_RESET_ON_BOOT") for feature in driver["capabilities"]):
        pytest.skip(f"disks of {driver['type']} remember")
    xapi.VDI.set_on_boot(disk, "reset")
    return disk


@pytest.fixture
def snapshot(xapi: Any, made: Made, disk: str) -> str:
    """A snapshot of a disk."""
    return made.keep_vdi(xapi.VDI.snapshot(disk))


# ---- in use ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("VDI check 4", "VDI allowed operations")
@pytest.mark.parametrize("operation", ["destroy", "resize", "forget", "copy", "update"])
def test_a_disk_in_use_is_left_alone(xapi: Any, sr: str, held: str, operation: str) -> None:
    """VDI_IN_USE [vdi, operation] while it is plugged, and allowed_operations says so."""
    params = {"resize": (str(64 * MIB),), "copy": (sr,)}.get(operation, ())
    assert refusal(getattr(xapi.VDI, operation), held, *params) == ["VDI_IN_USE", held, operation]
    assert operation not in xapi.VDI.get_allowed_operations(held)


@pytest.mark.rule("VDI check 4")
@pytest.mark.parametrize("operation", ["snapshot", "clone"])
def test_a_disk_in_use_is_split(xapi: Any, made: Made, held: str, operation: str) -> None:
    """Snapshot and clone are live-safe."""
    assert operation in xapi.VDI.get_allowed_operations(held)
    made.keep_vdi(getattr(xapi.VDI, operation)(held))


@pytest.mark.rule("VDI check 4")
@pytest.mark.requires("VDI.enable_cbt")
def test_a_disk_in_use_is_tracked(xapi: Any, held: str) -> None:
    """enable_cbt and disable_cbt are live-safe."""
    assert {"enable_cbt", "disable_cbt"} <= set(xapi.VDI.get_allowed_operations(held))
    xapi.VDI.enable_cbt(held)
    xapi.VDI.disable_cbt(held)


@pytest.mark.rule("VDI check 4")
def test_a_disk_that_is_only_read_is_copied(xapi: Any, made: Made, server: Server, disk: str, sr: str) -> None:
    """After 2012 a copy bears readers: VDI_IN_USE [vdi, "copy"] before."""
    vm = made.vm()
    made.vbd(vm, disk, mode="RO")
    xapi.VM.start(vm, False, False)
    if server.era == "modern":
        made.keep_vdi(xapi.VDI.copy(disk, sr))
    else:
        assert refusal(xapi.VDI.copy, disk, sr) == ["VDI_IN_USE", disk, "copy"]


# ---- what the driver, the kind and the flags forbid ------------------------------------------------------------------------------


@pytest.mark.rule("VDI check 9 SR_OPERATION_NOT_SUPPORTED")
def test_the_tools_are_not_destroyed(xapi: Any, tools: str) -> None:
    """SR_OPERATION_NOT_SUPPORTED [sr]."""
    images = xapi.SR.get_VDIs(tools)
    if not images:
        pytest.skip("the tools repository is empty")
    assert refusal(xapi.VDI.destroy, images[0]) == ["SR_OPERATION_NOT_SUPPORTED", tools]
    assert "destroy" not in xapi.VDI.get_allowed_operations(images[0])


@pytest.mark.rule("VDI check 6")
@pytest.mark.parametrize("operation", ["resize", "generate_config"])
def test_an_image_of_a_library_is_as_it_is(xapi: Any, tools: str, host: str, operation: str) -> None:
    """SR_OPERATION_NOT_SUPPORTED [sr] without the driver's feature."""
    images = xapi.SR.get_VDIs(tools)
    if not images:
        pytest.skip("the tools repository is empty")
    calls: dict[str, Act] = {
        "resize": lambda: xapi.VDI.resize(images[0], str(1 << 30)),
        "generate_config": lambda: xapi.VDI.generate_config(host, images[0]),
    }
    assert refusal(calls[operation]) == ["SR_OPERATION_NOT_SUPPORTED", tools]


@pytest.mark.rule("VDI check 9 VDI_IS_A_PHYSICAL_DEVICE")
def test_a_physical_device_is_not_destroyed(xapi: Any) -> None:
    """VDI_IS_A_PHYSICAL_DEVICE [vdi] in a repository of type udev."""
    devices = [vdi for sr in xapi.SR.get_all_records().values() if sr["type"] == "udev" for vdi in sr["VDIs"]]
    if not devices:
        pytest.skip("this server has no removable media")
    assert refusal(xapi.VDI.destroy, devices[0]) == ["VDI_IS_A_PHYSICAL_DEVICE", devices[0]]


@pytest.mark.rule("VDI check 11")
def test_a_shared_disk_is_not_split(xapi: Any, made: Made) -> None:
    """VDI_IS_SHARABLE [vdi] of a snapshot; a copy is no split."""
    vdi = made.vdi(sharable=True)
    assert refusal(xapi.VDI.snapshot, vdi) == ["VDI_IS_SHARABLE", vdi]


@pytest.mark.rule("VDI check 11")
def test_a_forgetful_disk_is_not_snapshotted(xapi: Any, server: Server, resetting: str, sr: str) -> None:
    """VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION []; after 2012 a copy is refused too."""
    expected = ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]
    assert refusal(xapi.VDI.snapshot, resetting) == expected
    if server.era == "modern":
        assert refusal(xapi.VDI.copy, resetting, sr) == expected


@pytest.mark.rule("VDI check 13")
@pytest.mark.requires("VDI.enable_cbt")
def test_a_forgetful_disk_is_not_tracked(xapi: Any, resetting: str) -> None:
    """VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION [] of enable_cbt."""
    assert refusal(xapi.VDI.enable_cbt, resetting) == ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]


@pytest.mark.rule("VDI check 8")
@pytest.mark.requires("VDI.enable_cbt")
def test_a_tracked_disk_does_not_forget(xapi: Any, disk: str) -> None:
    """VDI_CBT_ENABLED [vdi] of set_on_boot."""
    xapi.VDI.enable_cbt(disk)
    assert refusal(xapi.VDI.set_on_boot, disk, "reset") == ["VDI_CBT_ENABLED", disk]


@pytest.mark.rule("VDI check 13")
@pytest.mark.requires("VDI.enable_cbt")
@pytest.mark.parametrize("operation", ["enable_cbt", "disable_cbt"])
def test_only_disks_of_vms_are_tracked(xapi: Any, made: Made, operation: str) -> None:
    """VDI_INCOMPATIBLE_TYPE [vdi, type] for types other than system and user."""
    vdi = made.vdi(type="crashdump")
    assert refusal(getattr(xapi.VDI, operation), vdi) == ["VDI_INCOMPATIBLE_TYPE", vdi, "crashdump"]


@pytest.mark.rule("VDI check 12")
@pytest.mark.parametrize("kind", ["ha_statefile", "redo_log"])
def test_what_ha_writes_is_not_copied(xapi: Any, made: Made, sr: str, kind: str) -> None:
    """OPERATION_NOT_ALLOWED."""
    vdi = made.vdi(type=kind)
    assert refusal(xapi.VDI.copy, vdi, sr)[0] == "OPERATION_NOT_ALLOWED"
    assert "copy" not in xapi.VDI.get_allowed_operations(vdi)


@pytest.mark.alone
@pytest.mark.rule("VDI check 1", "rolling upgrade blocks")
@pytest.mark.requires("VDI.enable_cbt")
def test_a_pool_in_upgrade_does_nothing_new(xapi: Any, made: Made, disk: str) -> None:
    """NOT_SUPPORTED_DURING_UPGRADE [] for operations that hosts of the older release do not know."""
    pool, key = xapi.pool.get_all()[0], "rolling_upgrade_in_progress"
    if key in xapi.pool.get_other_config(pool):
        pytest.skip("this pool is being upgraded")
    xapi.pool.add_to_other_config(pool, key, "true")
    made.later(xapi.pool.remove_from_other_config, pool, key)
    assert refusal(xapi.VDI.enable_cbt, disk) == ["NOT_SUPPORTED_DURING_UPGRADE"]
    made.keep_vdi(xapi.VDI.snapshot(disk))


@pytest.mark.rule("VDI check 6")
@pytest.mark.requires("VDI.revert")
def test_no_driver_reverts(xapi: Any, snapshot: str, sr: str) -> None:
    """SR_OPERATION_NOT_SUPPORTED [sr] without VDI_REVERT."""
    assert refusal(xapi.VDI.revert, snapshot) == ["SR_OPERATION_NOT_SUPPORTED", sr]


# ---- what the calls themselves ask for -------------------------------------------------------------------------------------------


@pytest.mark.rule("VDI.create", "VHD size")
@pytest.mark.parametrize("size", [0, 3000 << 30])
def test_no_driver_makes_disks_of_that_size(made: Made, size: int) -> None:
    """Its own error: SR_BACKEND_FAILURE_<n>."""
    assert refusal(lambda: made.vdi(size))[0].startswith("SR_BACKEND_FAILURE_")


@pytest.mark.rule("VDI.create")
@pytest.mark.requires("VDI.data_destroy")
def test_a_log_of_changes_is_not_made_by_hand(made: Made) -> None:
    """VDI_INCOMPATIBLE_TYPE for type cbt_metadata."""
    assert refusal(lambda: made.vdi(type="cbt_metadata"))[0] == "VDI_INCOMPATIBLE_TYPE"


@pytest.mark.rule("VDI.copy")
def test_a_copy_needs_somewhere_to_go(xapi: Any, disk: str) -> None:
    """Without an SR: HANDLE_INVALID."""
    assert refusal(xapi.VDI.copy, disk, NULL)[0] == "HANDLE_INVALID"


def test_a_uuid_that_nobody_has_is_invalid(xapi: Any) -> None:
    """UUID_INVALID ["VDI", uuid]."""
    nobody = str(uuid.uuid5(uuid.NAMESPACE_URL, "nobody"))
    assert refusal(xapi.VDI.get_by_uuid, nobody) == ["UUID_INVALID", "VDI", nobody]


@pytest.mark.rule("VDI flags")
def test_flags_are_written(xapi: Any, disk: str) -> None:
    """sharable, read_only and allow_caching are the client's to change."""
    for field, value in (("sharable", True), ("read_only", True), ("allow_caching", True)):
        getattr(xapi.VDI, f"set_{field}")(disk, value)
        assert getattr(xapi.VDI, f"get_{field}")(disk) is value
    xapi.VDI.set_read_only(disk, False)


@pytest.mark.rule("VDI.snapshot")
def test_a_snapshot_copies_what_is_said_of_its_disk(xapi: Any, made: Made) -> None:
    """Tags, xenstore_data, on_boot, allow_caching and read_only go with a snapshot and with a clone."""
    vdi = made.vdi(xenstore_data={"vm-data/a": "b"}, tags=["blue"])
    xapi.VDI.set_tags(vdi, ["blue"])
    xapi.VDI.set_allow_caching(vdi, True)
    same = ("tags", "xenstore_data", "on_boot", "allow_caching", "read_only", "type", "virtual_size")
    old = xapi.VDI.get_record(vdi)
    for method in (xapi.VDI.snapshot, xapi.VDI.clone):
        new = xapi.VDI.get_record(made.keep_vdi(method(vdi)))
        assert {name: new[name] for name in same} == {name: old[name] for name in same}


@pytest.mark.rule("VDI.destroy")
def test_a_suspend_image_that_is_destroyed_is_forgotten(xapi: Any, guest: str) -> None:
    """VM.suspend_VDI becomes NULL."""
    xapi.VM.suspend(guest)
    xapi.VDI.destroy(xapi.VM.get_suspend_VDI(guest))
    assert xapi.VM.get_suspend_VDI(guest) == NULL


@pytest.mark.requires("VDI.checksum")
def test_the_sum_is_of_the_bytes(xapi: Any, made: Made) -> None:
    """Two disks of zeros have one sum, of 32 digits."""
    first, second = (xapi.VDI.checksum(made.vdi(8 * MIB)) for _ in range(2))
    assert (first == second, len(first), int(first, 16) > 0) == (True, 32, True)


@pytest.mark.rule("VDI.get_nbd_info")
@pytest.mark.requires("VDI.get_nbd_info")
def test_a_disk_is_offered_over_nbd_only_where_a_network_is_for_that(xapi: Any, disk: str) -> None:
    """VDI.get_nbd_info lists nothing without a network of purpose nbd."""
    purposes = {purpose for network in xapi.network.get_all_records().values() for purpose in network["purpose"]}
    if purposes & {"nbd", "insecure_nbd"}:
        assert all(info["exportname"].startswith(f"/{xapi.VDI.get_uuid(disk)}?") for info in xapi.VDI.get_nbd_info(disk))
    else:
        assert xapi.VDI.get_nbd_info(disk) == []


@pytest.mark.requires("VDI.read_database_pool_uuid")
def test_an_empty_disk_holds_no_database(xapi: Any, disk: str) -> None:
    """VDI.read_database_pool_uuid answers no pool."""
    assert xapi.VDI.read_database_pool_uuid(disk) == ""
