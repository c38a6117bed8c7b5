"""A repository's whole life, in a folder of the host's own: made, plugged, scanned, forgotten, found again and destroyed."""

from __future__ import annotations

from typing import Any

import pytest
import XenAPI

from contract_tests.capabilities import Server
from contract_tests.made import HARDWARE, MIB, Made
from contract_tests.refusals import refusal
from contract_tests.waiting import finished, until


@pytest.fixture
def folder(made: Made) -> dict[str, str]:
    """The device_config of a repository in a folder that nobody else has."""
    return {"location": f"/tmp/{made.name()}"}  # noqa: S108  # of the server under test


@pytest.fixture
def shelf(xapi: Any, made: Made, host: str, folder: dict[str, str]) -> str:
    """A plugged repository of type file; its disks are destroyed before it is."""
    if "file" not in xapi.SR.get_supported_types():
        pytest.skip("this release has no driver for folders")
    sr: str = xapi.SR.create(host, folder, str(1 << 30), made.name(), "", "file", "user", False, {})
    xapi.SR.set_other_config(sr, made.mark())
    made.later(end, xapi, sr)
    return sr


def end(xapi: Any, sr: str) -> None:
    """Unplug a repository and destroy it, or forget one that nothing leads to any more."""
    if "indestructible" in xapi.SR.get_other_config(sr):
        xapi.SR.remove_from_other_config(sr, "indestructible")
    plugs = unplug(xapi, sr)
    (xapi.SR.destroy if plugs else xapi.SR.forget)(sr)


def unplug(xapi: Any, sr: str) -> list[str]:
    """Unplug a repository everywhere; its plugs."""
    plugs: list[str] = xapi.SR.get_PBDs(sr)
    for plug in plugs:
        xapi.PBD.unplug(plug)
    return plugs


@pytest.mark.rule("SR.create")
def test_a_new_repository_is_plugged(xapi: Any, shelf: str, host: str, folder: dict[str, str]) -> None:
    """SR.create makes the row and one plug for the host."""
    record = xapi.SR.get_record(shelf)
    assert (record["type"], record["shared"], record["VDIs"], record["virtual_allocation"]) == ("file", False, [], "0")
    assert int(record["physical_size"]) > 0
    (plug,) = record["PBDs"]
    facts = xapi.PBD.get_record(plug)
    assert (facts["host"], facts["SR"], facts["device_config"], facts["currently_attached"]) == (host, shelf, folder, True)


@pytest.mark.rule("SR check 3")
def test_a_plugged_repository_is_neither_destroyed_nor_forgotten(xapi: Any, shelf: str) -> None:
    """SR_HAS_PBD [sr]; allowed_operations says so."""
    assert (refusal(xapi.SR.destroy, shelf), refusal(xapi.SR.forget, shelf)) == (["SR_HAS_PBD", shelf], ["SR_HAS_PBD", shelf])
    assert not {"destroy", "forget"} & set(xapi.SR.get_allowed_operations(shelf))


@pytest.mark.rule("SR check 4")
def test_a_repository_without_plugs_is_not_destroyed(xapi: Any, shelf: str) -> None:
    """SR_HAS_NO_PBDS [sr]."""
    for plug in unplug(xapi, shelf):
        xapi.PBD.destroy(plug)
    assert refusal(xapi.SR.destroy, shelf) == ["SR_HAS_NO_PBDS", shelf]


@pytest.mark.rule("SR check 5")
def test_a_repository_with_disks_is_not_destroyed(xapi: Any, made: Made, shelf: str) -> None:
    """SR_NOT_EMPTY []."""
    vdi = made.vdi(SR=shelf)
    unplug(xapi, shelf)
    assert refusal(xapi.SR.destroy, shelf) == ["SR_NOT_EMPTY"]
    for plug in xapi.SR.get_PBDs(shelf):
        xapi.PBD.plug(plug)
    xapi.VDI.destroy(vdi)


@pytest.mark.rule("SR.destroy SR_INDESTRUCTIBLE")
def test_a_repository_may_be_protected(xapi: Any, shelf: str) -> None:
    """SR_INDESTRUCTIBLE [sr]."""
    xapi.SR.add_to_other_config(shelf, "indestructible", "true")
    unplug(xapi, shelf)
    assert refusal(xapi.SR.destroy, shelf) == ["SR_INDESTRUCTIBLE", shelf]


@pytest.mark.rule("SR.destroy")
def test_a_destroyed_repository_is_gone(xapi: Any, shelf: str) -> None:
    """With its plugs."""
    plugs = unplug(xapi, shelf)
    xapi.SR.destroy(shelf)
    assert refusal(xapi.SR.get_record, shelf) == ["HANDLE_INVALID", "SR", shelf]
    assert refusal(xapi.PBD.get_record, plugs[0]) == ["HANDLE_INVALID", "PBD", plugs[0]]


@pytest.mark.rule("VDI check 3", "SR_HAS_NO_PBDS of a VDI's operation")
@pytest.mark.parametrize("method", ["create", "snapshot", "clone", "destroy", "resize"])
def test_an_unplugged_repository_s_disks_rest(xapi: Any, made: Made, server: Server, shelf: str, method: str) -> None:
    """SR_HAS_NO_PBDS [sr] for whatever needs the disk."""
    vdi = made.vdi(SR=shelf)
    unplug(xapi, shelf)
    calls = {
        "create": lambda: made.vdi(SR=shelf),
        "snapshot": lambda: xapi.VDI.snapshot(vdi),
        "clone": lambda: xapi.VDI.clone(vdi),
        "destroy": lambda: xapi.VDI.destroy(vdi),
        "resize": lambda: xapi.VDI.resize(vdi, str(32 * MIB)),
    }
    assert refusal(calls[method]) == ["SR_HAS_NO_PBDS", shelf]
    if method == "resize" and server.era != "boston":
        assert "resize" not in xapi.VDI.get_allowed_operations(vdi)
    for plug in xapi.SR.get_PBDs(shelf):
        xapi.PBD.plug(plug)


@pytest.mark.rule("SR check 2")
@pytest.mark.requires("SR.update")
def test_a_folder_s_driver_has_no_update(xapi: Any, shelf: str) -> None:
    """SR_OPERATION_NOT_SUPPORTED [sr] without the feature SR_UPDATE."""
    assert refusal(xapi.SR.update, shelf) == ["SR_OPERATION_NOT_SUPPORTED", shelf]
    assert "update" not in xapi.SR.get_allowed_operations(shelf)


@pytest.mark.rule("VDI.introduce", "SR check 2")
def test_a_folder_s_driver_introduces_nothing(xapi: Any, shelf: str) -> None:
    """SR_OPERATION_NOT_SUPPORTED [sr] without the feature VDI_INTRODUCE."""
    params: tuple[object, ...] = ("", "x", "", shelf, "user", False, False, {}, "x", {}, {})
    assert refusal(xapi.VDI.introduce, *params) == ["SR_OPERATION_NOT_SUPPORTED", shelf]


def test_a_folder_keeps_no_copies_of_databases(xapi: Any, shelf: str) -> None:
    """SR_OPERATION_NOT_SUPPORTED [sr] without the feature SR_METADATA."""
    if len(xapi.host.get_all()) > 1:
        pytest.skip("other hosts do not see the folder")
    assert refusal(xapi.SR.assert_supports_database_replication, shelf) == ["SR_OPERATION_NOT_SUPPORTED", shelf]
    assert refusal(xapi.SR.enable_database_replication, shelf) == ["SR_OPERATION_NOT_SUPPORTED", shelf]


@pytest.mark.rule("SR.assert_can_host_ha_statefile")
def test_a_folder_hosts_no_statefile(xapi: Any, shelf: str) -> None:
    """The statefile of HA needs an SR that is shared, or one that every host sees."""
    code, named = refusal(xapi.SR.assert_can_host_ha_statefile, shelf)[:2]
    assert (code in {"SR_NOT_SHARABLE", "SR_HAS_NO_PBDS", "SR_OPERATION_NOT_SUPPORTED"}, named) == (True, shelf)


@pytest.mark.rule("SR.set_shared SR_HAS_MULTIPLE_PBDS")
def test_one_plug_makes_no_sharing(xapi: Any, shelf: str) -> None:
    """set_shared may be taken back while there is one plug."""
    for value in (True, False):
        xapi.SR.set_shared(shelf, value)
        assert xapi.SR.get_shared(shelf) is value


@pytest.mark.rule("SR.set_shared SR_HAS_MULTIPLE_PBDS", "PBD.plug SR_NOT_SHARABLE")
def test_sharing_is_kept_while_there_are_several_plugs(xapi: Any, shelf: str, folder: dict[str, str]) -> None:
    """SR_HAS_MULTIPLE_PBDS [pbds]; an SR that is not shared is plugged at one host: SR_NOT_SHARABLE [sr, host]."""
    others = [other for other in xapi.host.get_all() if other not in {xapi.PBD.get_host(plug) for plug in xapi.SR.get_PBDs(shelf)}]
    if not others:
        pytest.skip("a pool of one host has one plug")
    first = xapi.SR.get_PBDs(shelf)[0]
    second = xapi.PBD.create({"SR": shelf, "host": others[0], "device_config": folder})
    assert refusal(xapi.PBD.plug, second) == ["SR_NOT_SHARABLE", shelf, xapi.PBD.get_host(first)]
    assert refusal(xapi.SR.set_shared, shelf, False)[0] == "SR_HAS_MULTIPLE_PBDS"
    xapi.PBD.destroy(second)


@pytest.mark.rule("dispatch MESSAGE_DEPRECATED", "SR.make")
def test_making_instead_of_creating_was_given_up(xapi: Any, host: str) -> None:
    """MESSAGE_DEPRECATED []."""
    assert refusal(xapi.SR.make, host, {}, "0", "x", "", "file", "user", {}) == ["MESSAGE_DEPRECATED"]


@pytest.mark.rule("SR.scan")
def test_sizes_follow_the_disks(xapi: Any, made: Made, shelf: str) -> None:
    """virtual_allocation is the sum of the sizes after a scan, and a scan removes "dirty"."""
    vdis = [made.vdi(size, SR=shelf) for size in (8 * MIB, 16 * MIB)]
    xapi.SR.add_to_other_config(shelf, "dirty", "")
    xapi.SR.scan(shelf)
    assert int(xapi.SR.get_virtual_allocation(shelf)) == sum(int(xapi.VDI.get_virtual_size(vdi)) for vdi in vdis)
    assert "dirty" not in xapi.SR.get_other_config(shelf)


@pytest.mark.rule("VDI.forget")
def test_a_forgotten_disk_is_found_by_the_next_scan(xapi: Any, made: Made, shelf: str) -> None:
    """VDI.forget removes the row alone."""
    vdi = made.vdi(SR=shelf)
    uuid, size = xapi.VDI.get_uuid(vdi), xapi.VDI.get_virtual_size(vdi)
    xapi.VDI.forget(vdi)
    assert refusal(xapi.VDI.get_by_uuid, uuid) == ["UUID_INVALID", "VDI", uuid]
    xapi.SR.scan(shelf)
    found = made.keep_vdi(xapi.VDI.get_by_uuid(uuid))
    assert (found != vdi, xapi.VDI.get_virtual_size(found), xapi.VDI.get_managed(found)) == (True, size, True)


@pytest.mark.rule("SR.introduce")
def test_a_forgotten_repository_is_introduced_with_its_disks(xapi: Any, made: Made, shelf: str, host: str, folder: dict[str, str]) -> None:
    """SR.forget, SR.introduce, PBD.create, PBD.plug and SR.scan bring everything back."""
    vdi = made.vdi(SR=shelf)
    disk, uuid = xapi.VDI.get_uuid(vdi), xapi.SR.get_uuid(shelf)
    unplug(xapi, shelf)
    xapi.SR.forget(shelf)
    assert refusal(xapi.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]
    again = xapi.SR.introduce(uuid, made.name(), "", "file", "user", False, {})
    made.later(end, xapi, again)
    xapi.SR.set_other_config(again, made.mark())
    xapi.PBD.plug(xapi.PBD.create({"SR": again, "host": host, "device_config": folder}))
    xapi.SR.scan(again)
    found = made.keep_vdi(xapi.VDI.get_by_uuid(disk))
    assert xapi.VDI.get_SR(found) == again


@pytest.mark.rule("task waits for other operations", "SR is marked for one operation at a time")
def test_disks_are_made_one_after_another(xapi: Any, session: Any, made: Made, shelf: str) -> None:
    """An SR does one thing at a time: of calls that come at once none is refused."""
    record: dict[str, Any] = {"name_label": made.name(), "name_description": "", "SR": shelf, "virtual_size": str(4 * MIB), "type": "user"}
    record.update(sharable=False, read_only=False, other_config=made.mark())
    tasks = [made.keep_task(session.xenapi.Async.VDI.create(record)) for _ in range(4)]
    assert [finished(xapi, task)["status"] for task in tasks] == ["success"] * 4
    for vdi in xapi.SR.get_VDIs(shelf):
        made.keep_vdi(vdi)
    assert len(xapi.SR.get_VDIs(shelf)) == 4
    until(lambda: xapi.SR.get_current_operations(shelf) == {}, "the repository's being idle")


@pytest.mark.rule("PBD.unplug VDI_IN_USE")
def test_a_repository_in_use_is_not_unplugged(xapi: Any, made: Made, shelf: str) -> None:
    """VDI_IN_USE [vdis] while a running VM has a disk there."""
    vm = made.vm(HARDWARE)
    vdi = made.vdi(SR=shelf)
    made.vbd(vm, vdi)
    xapi.VM.start(vm, False, False)
    (plug,) = xapi.SR.get_PBDs(shelf)
    assert refusal(xapi.PBD.unplug, plug) == ["VDI_IN_USE", vdi]
    xapi.VM.hard_shutdown(vm)
    xapi.PBD.unplug(plug)
    assert xapi.PBD.unplug(plug) == ""
    xapi.PBD.plug(plug)


@pytest.mark.rule("PBD.destroy OPERATION_NOT_ALLOWED")
def test_a_plug_in_use_is_not_destroyed(xapi: Any, shelf: str) -> None:
    """OPERATION_NOT_ALLOWED ["PBD is currently attached"]."""
    (plug,) = xapi.SR.get_PBDs(shelf)
    assert refusal(xapi.PBD.destroy, plug) == ["OPERATION_NOT_ALLOWED", "PBD is currently attached"]


@pytest.mark.rule("PBD.create VALUE_NOT_SUPPORTED")
def test_who_is_master_is_not_the_client_s_to_say(xapi: Any, shelf: str, host: str) -> None:
    """VALUE_NOT_SUPPORTED: the key SRmaster is XAPI's own."""
    for plug in unplug(xapi, shelf):
        xapi.PBD.destroy(plug)
    record = {"SR": shelf, "host": host, "device_config": {"SRmaster": "true"}}
    assert refusal(xapi.PBD.create, record)[0] == "VALUE_NOT_SUPPORTED"


@pytest.mark.requires("SR.get_data_sources")
def test_what_is_measured_is_listed(xapi: Any, shelf: str) -> None:
    """Data sources are records with a name and a value."""
    for source in xapi.SR.get_data_sources(shelf):
        assert {"name_label", "enabled", "units", "value"} <= set(source)


def test_live_hosts_are_those_that_are_plugged(xapi: Any, shelf: str, host: str) -> None:
    """SR.get_live_hosts is for hosts alone, or answers the plugged ones."""
    try:
        assert xapi.SR.get_live_hosts(shelf) == [host]
    except XenAPI.Failure as failure:
        assert failure.details[0] in {"INTERNAL_ERROR", "MESSAGE_METHOD_UNKNOWN"}  # noqa: PT017  # either way is right


@pytest.mark.rule("VDI check 9 VDI_HAS_RRDS", "SR check 5")
@pytest.mark.parametrize("operation", ["destroy", "forget"])
def test_what_keeps_the_metrics_of_a_repository_stays(xapi: Any, made: Made, shelf: str, operation: str, server: Server) -> None:
    """VDI_HAS_RRDS [vdi]; such a disk does not keep its SR from being destroyed."""
    if server.era != "modern":
        pytest.skip(f"{server.summary} has no disks-of-metrics")
    record = {"name_label": made.name(), "name_description": "", "SR": shelf, "virtual_size": str(4 * MIB), "type": "rrd"}
    disk = xapi.VDI.create({**record, "sharable": False, "read_only": False, "other_config": made.mark()})
    assert refusal(getattr(xapi.VDI, operation), disk) == ["VDI_HAS_RRDS", disk]


@pytest.mark.rule("VM.start_on check 5 VM_REQUIRES_SR")
def test_a_vm_starts_where_its_disks_are(xapi: Any, made: Made, shelf: str, host: str) -> None:
    """VM_REQUIRES_SR [vm, sr] where the SR of a disk is not plugged."""
    vm = made.vm()
    made.vbd(vm, made.vdi(SR=shelf))
    plugs = unplug(xapi, shelf)
    refused = refusal(xapi.VM.start_on, vm, host, False, False)
    for plug in plugs:
        xapi.PBD.plug(plug)
    assert refused == ["VM_REQUIRES_SR", vm, shelf]
