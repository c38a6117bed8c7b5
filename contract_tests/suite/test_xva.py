"""VMs as archives: GET /export, PUT /import, and the two for metadata alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from contract_tests import xva
from contract_tests.capabilities import Server
from contract_tests.made import MIB, Made, forgiving, namesakes
from contract_tests.target import Reply, Target
from contract_tests.waiting import finished

SIZE = 8 * MIB
NO_REPLY = Reply(0, {}, b"")  # a server may close the connection on a body that it does not want
LATER = {"uuid", "generation_id", "other_config", "VBDs", "VIFs", "metrics", "guest_metrics", "snapshots", "children", "parent", "version"}
"""Fields that are another VM's own."""
pytestmark = pytest.mark.requires("export_raw_vdi")


@pytest.fixture
def transfer(target: Target, session: Any, xapi: Any, made: Made) -> Any:
    """Send a request with a task and give the reply once the task has ended, with the task's record."""

    def send(method: str, path: str, body: Any = b"", **query: str) -> tuple[Reply, dict[str, Any]]:
        task = made.task()
        text = urlencode({"session_id": session.handle, "task_id": task, **query})
        try:
            reply = target.request(method, f"{path}?{text}", body)
        except (BrokenPipeError, ConnectionResetError):
            reply = NO_REPLY
        return reply, finished(xapi, task)

    return send


@pytest.fixture
def exported(transfer: Any) -> Any:
    """The archive of a VM."""

    def export(vm: str, path: str = "/export", **query: str) -> bytes:
        reply, task = transfer("GET", path, ref=vm, **query)
        assert (reply.status, task["status"], task["error_info"]) == (200, "success", [])
        return bytes(reply.body)

    return export


@pytest.fixture
def imported(transfer: Any, xapi: Any, made: Made) -> Any:
    """The VMs of an archive."""

    def take(archive: bytes, path: str = "/import", **query: str) -> list[str]:
        _, task = transfer("PUT", path, archive, sr_id=made.sr, **query)
        assert (task["status"], task["error_info"]) == ("success", [])
        before, between = "<value><array><data>", "</value><value>"
        text = task["result"].removeprefix(before).removesuffix("</data></array></value>").strip()
        refs = [ref for ref in text.removeprefix("<value>").removesuffix("</value>").split(between) if ref.startswith("OpaqueRef:")]
        return [made.keep_vm(ref) for ref in refs]

    return take


@pytest.fixture
def refused(transfer: Any, made: Made) -> Any:
    """The error of an import that the server must refuse."""

    def put(archive: Any, path: str = "/import", **query: str) -> list[str]:
        _, task = transfer("PUT", path, archive, **{"sr_id": made.sr, **query})
        assert task["status"] == "failure"
        return list(task["error_info"])

    return put


@pytest.fixture
def source(made: Made, transfer: Any) -> str:
    """A halted VM with a disk that holds something at both ends, an empty CD drive and a NIC."""
    vm, vdi = made.vm(name_description="the source"), made.vdi(SIZE)
    body = pattern("begin") + bytes(SIZE - 8192) + pattern("end")
    _, task = transfer("PUT", "/import_raw_vdi", body, vdi=vdi, format="raw")
    assert task["status"] == "success"
    made.vbd(vm, vdi, other_config={"owner": ""})
    made.vbd(vm)
    made.vif(vm)
    return vm


def pattern(seed: str, size: int = 4096) -> bytes:
    """Bytes that repeat nowhere."""
    return hashlib.shake_256(seed.encode()).digest(size)


def disk_of(xapi: Any, vm: str) -> str:
    """The VDI of a VM's only disk."""
    devices = [xapi.VBD.get_record(vbd) for vbd in xapi.VM.get_VBDs(vm)]
    [vdi] = [device["VDI"] for device in devices if device["type"] == "Disk"]
    return str(vdi)


def content(transfer: Any, vdi: str) -> bytes:
    """The bytes of a disk."""
    reply, task = transfer("GET", "/export_raw_vdi", vdi=vdi, format="raw")
    assert task["status"] == "success"
    return bytes(reply.body)


# ---- what an archive is ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("GET /export")
def test_metadata_comes_first(source: str, exported: Any) -> None:
    """The first file of an archive is ova.xml."""
    assert next(iter(xva.files(exported(source)))) == "ova.xml"


@pytest.mark.rule("GET /export")
def test_an_export_is_a_download(source: str, transfer: Any) -> None:
    """The reply names the file that it is and the kind that it has."""
    reply, _ = transfer("GET", "/export", ref=source)
    assert "octet-stream" in reply.headers["content-type"]
    assert reply.headers["content-disposition"].startswith("attachment")


def test_a_vm_is_named_by_uuid_as_well(xapi: Any, source: str, transfer: Any) -> None:
    """uuid= does as well as ref=."""
    reply, task = transfer("GET", "/export", uuid=xapi.VM.get_uuid(source))
    assert task["status"] == "success"
    assert xva.objects(reply.body, "VM")[0]["name_label"] == xapi.VM.get_name_label(source)


@pytest.mark.rule("GET /export")
def test_every_chunk_has_its_checksum(source: str, exported: Any) -> None:
    """Behind each chunk stands a file with its checksum."""
    assert xva.wrong_checksums(exported(source)) == []


def test_chunks_are_of_one_mebibyte_and_zeros_are_left_out(source: str, exported: Any) -> None:
    """Of a disk that holds something at both ends only the ends are sent, 1 MiB each."""
    chunks = xva.chunks(exported(source))
    assert [name.rpartition("/")[2] for name in chunks] == ["00000000", f"{SIZE // xva.CHUNK_BYTES - 1:08d}"]
    assert {len(chunk) for chunk in chunks.values()} == {xva.CHUNK_BYTES}
    first, last = chunks.values()
    assert (first[:4096], last[-4096:]) == (pattern("begin"), pattern("end"))


def test_an_empty_disk_sends_its_first_and_last_chunk(made: Made, exported: Any) -> None:
    """The first and the last chunk are always sent."""
    vm = made.vm()
    made.vbd(vm, made.vdi(SIZE))
    chunks = xva.chunks(exported(vm))
    assert [name.rpartition("/")[2] for name in chunks] == ["00000000", f"{SIZE // xva.CHUNK_BYTES - 1:08d}"]
    assert not any(any(chunk) for chunk in chunks.values())


def test_the_metadata_says_which_release_wrote_it(source: str, exported: Any) -> None:
    """The version is told in eight fields, the form of the archive among them."""
    version = xva.metadata(exported(source))["version"]
    assert set(version) >= {"hostname", "date", "product_version", "product_brand", "build_number", "xapi_major", "xapi_minor"}
    assert int(version["export_vsn"]) == 2


def test_refs_lead_to_nothing_outside(source: str, exported: Any) -> None:
    """Objects are renamed Ref:N, and a ref to anything else is NULL."""
    text = xva.files(exported(source))["ova.xml"]
    assert b"OpaqueRef:" not in text.replace(b"OpaqueRef:NULL", b"")


@pytest.mark.parametrize("cls", ["VM", "VBD", "VIF", "VDI", "SR", "network"])
def test_what_a_vm_leans_on_is_told(cls: str, source: str, exported: Any) -> None:
    """The metadata has the VM, its devices and what they lead to."""
    assert len(xva.objects(exported(source), cls)) >= 1


def test_the_disk_of_the_metadata_is_the_disk_of_the_chunks(source: str, exported: Any) -> None:
    """Chunks are called by the name that the metadata gives their VDI."""
    archive = exported(source)
    named = {made["id"] for made in xva.metadata(archive)["objects"] if made["class"] == "VDI"}
    assert {name.rpartition("/")[0] for name in xva.chunks(archive)} == named


@pytest.mark.rule("GET /export")
def test_an_archive_may_be_packed(source: str, exported: Any) -> None:
    """use_compression=true packs with gzip."""
    packed = exported(source, use_compression="true")
    assert packed.startswith(b"\x1f\x8b")
    assert list(xva.files(packed)) == list(xva.files(exported(source)))


@pytest.mark.rule("GET /export")
def test_only_what_stands_still_is_exported(running: str, transfer: Any) -> None:
    """A running VM is refused with the states that would do."""
    _, task = transfer("GET", "/export", ref=running)
    assert task["error_info"] == ["VM_BAD_POWER_STATE", running, "halted, suspended", "running"]


@pytest.mark.rule("VM check 1")
def test_a_blocked_export_is_refused(xapi: Any, source: str, transfer: Any) -> None:
    """blocked_operations holds for exports too."""
    xapi.VM.set_blocked_operations(source, {"export": "not this one"})
    _, task = transfer("GET", "/export", ref=source)
    assert task["error_info"] == ["OPERATION_BLOCKED", source, "not this one"]


def test_the_mark_of_an_export_goes_with_it(xapi: Any, source: str, exported: Any) -> None:
    """Once it is over nothing is being done to the VM."""
    exported(source)
    assert xapi.VM.get_current_operations(source) == {}


# ---- in --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("PUT /import")
def test_a_vm_comes_back_with_its_bytes(xapi: Any, source: str, exported: Any, imported: Any, transfer: Any) -> None:
    """An imported VM has the disk that was exported, to the byte."""
    [vm] = imported(exported(source))
    disk = disk_of(xapi, vm)
    assert disk != disk_of(xapi, source)
    assert content(transfer, disk) == content(transfer, disk_of(xapi, source))


@pytest.mark.rule("PUT /import")
def test_a_vm_comes_back_as_it_was(xapi: Any, source: str, exported: Any, imported: Any) -> None:
    """Every field that is not another VM's own is as it was."""
    [vm] = imported(exported(source))
    old, new = xapi.VM.get_record(source), xapi.VM.get_record(vm)
    assert {name: new[name] for name in new if name not in LATER} == {name: old[name] for name in old if name not in LATER}


@pytest.mark.rule("PUT /import")
def test_an_imported_vm_is_another(xapi: Any, source: str, exported: Any, imported: Any) -> None:
    """It has a uuid, a seed and a MAC address of its own."""
    [vm] = imported(exported(source))
    old, new = xapi.VM.get_record(source), xapi.VM.get_record(vm)
    [old_vif], [new_vif] = old["VIFs"], new["VIFs"]
    mine = (old["uuid"], old["other_config"]["mac_seed"], xapi.VIF.get_MAC(old_vif))
    others = (new["uuid"], new["other_config"]["mac_seed"], xapi.VIF.get_MAC(new_vif))
    assert not set(mine) & set(others)


@pytest.mark.parametrize("field", ["userdevice", "bootable", "mode", "type", "unpluggable", "empty", "currently_attached"])
def test_devices_come_back_as_they_were(field: str, xapi: Any, source: str, exported: Any, imported: Any) -> None:
    """Disks and drives keep their places and kinds."""
    [vm] = imported(exported(source))
    old, new = ([xapi.VBD.get_record(vbd) for vbd in xapi.VM.get_VBDs(ref)] for ref in (source, vm))
    assert sorted((vbd["userdevice"], vbd[field]) for vbd in new) == sorted((vbd["userdevice"], vbd[field]) for vbd in old)


def test_what_was_packed_is_taken_in(xapi: Any, source: str, exported: Any, imported: Any) -> None:
    """An archive packed with gzip is an archive."""
    [vm] = imported(exported(source, use_compression="true"))
    assert xapi.VM.get_name_label(vm) == xapi.VM.get_name_label(source)


def test_an_imported_vm_starts(xapi: Any, source: str, exported: Any, imported: Any) -> None:
    """Nothing holds it when the import is over."""
    [vm] = imported(exported(source))
    record = xapi.VM.get_record(vm)
    assert (record["power_state"], record["current_operations"]) == ("Halted", {})
    assert "start" in record["allowed_operations"]


def test_a_vm_that_is_here_is_not_replaced_by_one_no_newer(source: str, exported: Any, refused: Any) -> None:
    """Restoring over a VM of the same version is refused with both versions."""
    assert refused(exported(source), restore="true") == ["VM_TO_IMPORT_IS_NOT_NEWER_VERSION", source, "0", "0"]


@pytest.mark.rule("PUT /import")
def test_a_restored_vm_is_the_one_that_was(xapi: Any, source: str, exported: Any, imported: Any) -> None:
    """Restored after it was destroyed, it has its uuid and its addresses."""
    archive, uuid, disk = exported(source), xapi.VM.get_uuid(source), disk_of(xapi, source)
    mac = xapi.VIF.get_MAC(xapi.VM.get_VIFs(source)[0])
    xapi.VM.destroy(source)
    [vm] = imported(archive, restore="true")
    assert (xapi.VM.get_uuid(vm), xapi.VIF.get_MAC(xapi.VM.get_VIFs(vm)[0])) == (uuid, mac)
    forgiving(xapi.VDI.destroy, disk)


# ---- refusals --------------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("PUT /import")
def test_vms_do_not_live_among_isos(xapi: Any, source: str, exported: Any, transfer: Any) -> None:
    """An SR of ISOs is refused: 400."""
    isos = [ref for ref, sr in xapi.SR.get_all_records().items() if sr["content_type"] == "iso" and sr["type"] == "iso"]
    if not isos:
        pytest.skip("there is no SR of ISOs here")
    reply, task = transfer("PUT", "/import", exported(source), sr_id=isos[0])
    assert reply.status in (400, 0)
    assert task["error_info"][0] == "SR_OPERATION_NOT_SUPPORTED"


@pytest.mark.rule("PUT /import")
def test_bodies_in_chunks_are_forbidden(made: Made, source: str, exported: Any, transfer: Any) -> None:
    """HTTP's chunked transfer is refused: 403."""
    archive = exported(source)

    def pieces() -> Iterator[bytes]:
        yield archive[:1000]

    reply, task = transfer("PUT", "/import", pieces(), sr_id=made.sr)
    assert reply.status in (403, NO_REPLY.status)
    assert task["error_info"] == ["IMPORT_ERROR_CANNOT_HANDLE_CHUNKED"]


def test_a_changed_byte_is_noticed(xapi: Any, source: str, exported: Any, refused: Any) -> None:
    """A chunk that does not fit its checksum ends the import, and nothing of it stays."""
    archive, before = exported(source), namesakes(xapi, source)
    begin = pattern("begin")
    assert refused(archive.replace(begin, begin[::-1]))[0] == "IMPORT_ERROR"
    assert namesakes(xapi, source) == before


def test_force_passes_over_checksums(xapi: Any, source: str, exported: Any, imported: Any, transfer: Any) -> None:
    """With force=true a chunk that does not fit its checksum is taken as it is."""
    begin = pattern("begin")
    [vm] = imported(exported(source).replace(begin, begin[::-1]), force="true")
    assert content(transfer, disk_of(xapi, vm))[:4096] == begin[::-1]


def test_what_a_newer_release_wrote_is_not_read(source: str, exported: Any, refused: Any) -> None:
    """An archive of a higher version is refused as incompatible."""
    archive = exported(source)
    version = xva.metadata(archive)["version"]
    old, new = (f"<name>xapi_major</name><value>{major}" for major in (version["xapi_major"], "9" * len(str(version["xapi_major"]))))
    assert refused(archive.replace(old.encode(), new.encode(), 1)) == ["IMPORT_INCOMPATIBLE_VERSION"]


# ---- metadata alone --------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("GET /export_metadata")
def test_metadata_alone_has_no_disks(source: str, exported: Any) -> None:
    """/export_metadata is an archive of ova.xml and nothing else."""
    assert list(xva.files(exported(source, "/export_metadata"))) == ["ova.xml"]


@pytest.mark.rule("GET /export_metadata")
def test_metadata_alone_says_how_long_it_is(source: str, transfer: Any) -> None:
    """Its length is known beforehand."""
    reply, _ = transfer("GET", "/export_metadata", ref=source)
    assert int(reply.headers["content-length"]) == len(reply.body)


def test_running_vms_have_metadata_too(xapi: Any, running: str, exported: Any) -> None:
    """The metadata of a running VM says that it runs."""
    [record] = xva.objects(exported(running, "/export_metadata", export_snapshots="false"), "VM")
    assert (record["uuid"], record["power_state"]) == (xapi.VM.get_uuid(running), "Running")


@pytest.mark.rule("GET /export_metadata")
@pytest.mark.requires("VM.shutdown")
@pytest.mark.parametrize(("wish", "count"), [("true", 2), ("false", 1)])
def test_snapshots_are_told_when_wished(wish: str, count: int, xapi: Any, made: Made, source: str, exported: Any) -> None:
    """export_snapshots says whether the snapshots of a VM are in its metadata."""
    made.keep_vm(xapi.VM.snapshot(source, made.name()))
    assert len(xva.objects(exported(source, "/export_metadata", export_snapshots=wish), "VM")) == count


def test_a_snapshot_alone_has_no_metadata_to_export(snapshot: str, transfer: Any) -> None:
    """The metadata of a snapshot is exported with its VM only."""
    _, task = transfer("GET", "/export_metadata", ref=snapshot)
    assert task["error_info"] == ["OPERATION_NOT_ALLOWED", "Exporting metadata of a snapshot is not allowed"]


@pytest.mark.rule("PUT /import_metadata")
def test_a_dry_run_makes_nothing(xapi: Any, source: str, exported: Any, transfer: Any) -> None:
    """dry_run=true says whether an import would do, and does nothing."""
    archive = exported(source, "/export_metadata", export_snapshots="false")
    before = namesakes(xapi, source)
    _, task = transfer("PUT", "/import_metadata", archive, dry_run="true")
    assert (task["status"], task["error_info"]) == ("success", [])
    assert namesakes(xapi, source) == before


@pytest.mark.rule("PUT /import_metadata")
def test_metadata_brings_a_vm_back_over_its_disk(xapi: Any, source: str, exported: Any, imported: Any) -> None:
    """A VM that was destroyed is restored over the disk that survived it."""
    archive, uuid, disk = exported(source, "/export_metadata", export_snapshots="false"), xapi.VM.get_uuid(source), disk_of(xapi, source)
    xapi.VM.destroy(source)
    [vm] = imported(archive, "/import_metadata", restore="true")
    assert (xapi.VM.get_uuid(vm), disk_of(xapi, vm)) == (uuid, disk)


@pytest.mark.rule("PUT /import_metadata")
def test_disks_that_are_not_here_are_missed(xapi: Any, server: Server, source: str, exported: Any, refused: Any) -> None:
    """Metadata whose disk is gone is refused with where the disk should be."""
    archive, disk = exported(source, "/export_metadata", export_snapshots="false"), disk_of(xapi, source)
    location, sr = xapi.VDI.get_location(disk), xapi.VDI.get_SR(disk)
    xapi.VM.destroy(source)
    xapi.VDI.destroy(disk)
    assert refused(archive, "/import_metadata") == ["VDI_LOCATION_MISSING", sr, location]
