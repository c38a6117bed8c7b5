"""VMs as archives, over the handlers: out and in, with real bytes that Python's tarfile checks."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
import zstandard

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.settings import Settings
from fake_xapi.transports.inprocess import InProcess
from fake_xapi.transports.transfers import BadRequest
from tests.fake_xapi.transports.archives import (
    VBD,
    VIF,
    comparable,
    device,
    files,
    into,
    metadata,
    objects,
    out,
    refused_into,
    server,
)
from tests.fake_xapi.verbs.kit.hosts import MIB, NULL, Host, over_host


def test_a_vm_survives_the_journey_with_its_disks() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        [copy] = await into(host, await out(host, ref=vm))
        assert comparable(host, copy) == comparable(host, vm)
        assert host.row(copy)["uuid"] != host.world.uuid(host.id(vm))
        old, new = ([host.world.ref(vbd) for vbd in host.row(ref)["VBDs"]] for ref in (vm, copy))
        assert [device(host, ref, VBD) for ref in new] == [device(host, ref, VBD) for ref in old]
        disks = [host.row(ref)["VDI"] for ref in new if host.row(ref)["VDI"]]
        assert len(disks) == 1
        assert disks != [host.id(vdi)]
        assert host.kit.xapi.disks.read(disks[0], 0, 4 * MIB) == host.kit.xapi.disks.read(host.id(vdi), 0, 4 * MIB)
        assert host.world[disks[0]]["physical_utilisation"] == host.row(vdi)["physical_utilisation"]
        [old_vif], [new_vif] = ([host.world.ref(vif) for vif in host.row(ref)["VIFs"]] for ref in (vm, copy))
        assert device(host, new_vif, VIF) == device(host, old_vif, VIF)
        assert host.row(new_vif)["MAC"] != "02:00:00:00:00:07"
        assert host.row(copy)["current_operations"] == {}
        await host.call("VM.start", copy, False, False)

    over_host(body)


@pytest.mark.parametrize("release", ["boston", "tampa", "clearwater", "dundee", "stockholm", "latest"])
def test_every_release_reads_what_it_writes(release: str) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, uuid=host.world.uuid(host.id(vm)))
        [copy] = await into(host, content, restore="false")
        assert comparable(host, copy) == comparable(host, vm)
        ending, count = (".xxhash", 16) if release == "latest" else (".checksum", 40)
        sums = {name: len(text) for name, text in files(content).items() if name.endswith(ending)}
        assert list(sums.values()) == [count] * 2

    over_host(body, release)


@pytest.mark.parametrize(
    ("wish", "unpack"),
    [
        ("true", gzip.decompress),
        ("gzip", gzip.decompress),
        ("zstd", lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content)),
        ("brotli", lambda content: content),
        ("false", lambda content: content),
    ],
)
def test_an_archive_is_packed_as_wished_and_taken_in_whichever_way(wish: str, unpack: Callable[[bytes], bytes]) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, ref=vm, use_compression=wish)
        assert files(unpack(content)).keys() == files(await out(host, ref=vm)).keys()
        [copy] = await into(host, content)
        assert comparable(host, copy) == comparable(host, vm)

    over_host(body)


def test_old_releases_know_gzip_alone_by_the_name_of_true() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        assert (await out(host, ref=vm, use_compression="true")).startswith(b"\x1f\x8b")
        assert "ova.xml" in files(await out(host, ref=vm, use_compression="zstd"))

    over_host(body, "clearwater")


def test_the_metadata_names_its_version_and_only_itself() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        host.set(host.host, software_version={"hostname": "h", "product_version": "6.2.0", "product_brand": "XenServer"})
        content = await out(host, ref=vm)
        assert metadata(content)["version"] == {
            "hostname": "h",
            "date": "",
            "product_version": "6.2.0",
            "product_brand": "XenServer",
            "build_number": "",
            "xapi_major": "1",
            "xapi_minor": "3",
            "export_vsn": "2",
        }
        [made] = objects(content, "VM")
        assert made["id"] == "Ref:0"
        assert made["snapshot"]["power_state"] == "Halted"
        assert made["snapshot"]["other_config"]["a&b"] == "<c>"
        [disk] = objects(content, "VDI")
        assert disk["snapshot"]["uuid"] == host.world.uuid(host.id(vdi))
        assert disk["snapshot"]["VBDs"] == [vbd["id"] for vbd in objects(content, "VBD") if vbd["snapshot"]["VDI"] == disk["id"]]
        assert b"OpaqueRef:" not in files(content)["ova.xml"].replace(NULL.encode(), b"")
        assert objects(content, "SR")[0]["snapshot"]["PBDs"] == []

    over_host(body, "clearwater")


def test_who_exports_marks_the_vm_and_may_be_stopped() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        task = await host.call("task.create", "export", "")
        pieces = InProcess(host.kit.xapi).get("/export", {"session_id": host.kit.session, "ref": vm, "task_id": task})
        await anext(pieces)
        await anext(pieces)
        assert host.row(vm)["current_operations"] == {task: "export"}
        assert host.row(task)["allowed_operations"] == ("cancel",)
        assert (await host.refused("VM.start", vm, False, False))[0] == "OTHER_OPERATION_IN_PROGRESS"
        await host.call("task.cancel", task)
        with pytest.raises(Failure, match="TASK_CANCELLED"):
            [piece async for piece in pieces]
        assert host.row(task)["status"] == "cancelled"
        assert host.row(vm)["current_operations"] == {}

    over_host(body, settings=Settings(busy_deadline_s=0))


def test_who_stops_reading_leaves_no_mark() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        task = await host.call("task.create", "export", "")
        pieces = InProcess(host.kit.xapi).get("/export", {"session_id": host.kit.session, "ref": vm, "task_id": task})
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]
        del pieces
        assert host.row(vm)["current_operations"] == {}
        assert host.row(task)["error_info"] == ("INTERNAL_ERROR", "the client went away")

    over_host(body)


def test_only_what_stands_still_is_exported() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.call("VM.start", vm, False, False)
        with pytest.raises(Failure) as caught:
            await out(host, ref=vm)
        assert caught.value.details == ["VM_BAD_POWER_STATE", vm, "halted, suspended", "running"]
        for parameters, error in (({"ref": NULL}, "HANDLE_INVALID"), ({"uuid": "x"}, "UUID_INVALID")):
            with pytest.raises(Failure, match=error):
                await out(host, **parameters)
        with pytest.raises(BadRequest):
            await out(host)

    over_host(body)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_vm_that_sleeps_travels_asleep_when_that_is_wished(*, keeps: bool) -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        await host.call("VM.start", vm, False, False)
        await host.call("VM.suspend", vm)
        host.kit.xapi.disks.write(host.row(vm)["suspend_VDI"], 0, b"memory")
        content = await out(host, ref=vm, preserve_power_state=str(keeps).lower())
        [copy] = await into(host, content)
        row = host.row(copy)
        attached = [host.world[device]["currently_attached"] for device in (*row["VBDs"], *row["VIFs"])]
        assert (row["power_state"], attached) == (("Suspended", [True] * 3) if keeps else ("Halted", [False] * 3))
        if keeps:
            assert host.kit.xapi.disks.read(row["suspend_VDI"], 0, 6) == b"memory"
            await host.call("VM.resume", copy, False, False)

    over_host(body)


def test_a_restored_vm_is_the_one_that_was() -> None:
    async def body(host: Host) -> None:
        vm, vdi = await server(host)
        uuid, seed = host.world.uuid(host.id(vm)), host.row(vm)["other_config"]["mac_seed"]
        content = await out(host, ref=vm)
        assert await refused_into(host, content, restore="true") == ["VM_TO_IMPORT_IS_NOT_NEWER_VERSION", vm, "0", "0"]
        await host.call("VM.destroy", vm)
        again = ""
        for version in (1, 2):
            [again] = await into(host, content, restore="true", force="true" if version == 2 else "false")
            assert await host.call("VM.get_by_uuid", uuid) == again
            row = host.row(again)
            assert (row["version"], row["other_config"]["mac_seed"]) == (1, seed)
            assert [host.world[vif]["MAC"] for vif in row["VIFs"]] == ["02:00:00:00:00:07"]
        await host.call("VM.start", again, False, False)
        refusal = await refused_into(host, content, restore="true")
        assert refusal == ["VM_BAD_POWER_STATE", again, "Halted", "Running"]
        assert await into(host, content, restore="true", force="true") == []
        await host.call("VDI.destroy", vdi)

    over_host(body)


def test_no_two_vms_derive_their_addresses_from_one_seed() -> None:
    async def body(host: Host) -> None:
        vm, _ = await server(host)
        content = await out(host, ref=vm)
        copy = await host.call("VM.clone", vm, "copy")
        host.set(copy, other_config=dict(host.row(vm)["other_config"]))
        await host.call("VM.destroy", vm)
        assert await refused_into(host, content, restore="true") == ["DUPLICATE_VM", copy]

    over_host(body)
