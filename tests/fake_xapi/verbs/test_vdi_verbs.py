"""The verbs of VDI: sizes, room on SRs, chains of VHDs and who collects them."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.verbs import storage
from tests.fake_xapi.verbs.hosts import GIB, MIB, NULL, Host, over_host

REALISTIC = Settings(durations=durations("realistic"))
FULL = ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]


def _used(host: Host) -> tuple[int, int]:
    row = host.row(host.sr)
    return row["physical_utilisation"], row["virtual_allocation"]


def _sum(host: Host) -> tuple[int, int]:
    rows = [host.world[vdi] for vdi in host.row(host.sr)["VDIs"]]
    return sum(row["physical_utilisation"] for row in rows), sum(row["virtual_size"] for row in rows)


def _names(host: Host) -> list[str]:
    return sorted(host.world[vdi]["name_label"] for vdi in host.row(host.sr)["VDIs"])


def _parent(host: Host, vdi: str) -> int:
    return host.world.by_uuid("VDI", host.row(vdi)["sm_config"].get("vhd-parent", ""))


def test_a_new_disk_is_rounded_up_located_and_nearly_empty() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(3 * MIB + 1)
        row = host.row(vdi)
        assert (row["virtual_size"], row["managed"], row["missing"], row["location"]) == (
            4 * MIB,
            True,
            False,
            host.world.uuid(host.id(vdi)),
        )
        assert row["sm_config"] == {"vdi_type": "vhd"}
        assert row["physical_utilisation"] == storage.metadata_bytes(4 * MIB) < MIB
        assert host.kit.xapi.disks[host.id(vdi)].size == 4 * MIB
        assert _used(host) == _sum(host)

    over_host(body)


@pytest.mark.parametrize(("sr_type", "taken"), [("ext", storage.metadata_bytes(GIB)), ("lvm", GIB + 4 * MIB), ("iscsi", GIB)])
def test_what_an_empty_disk_takes_depends_on_its_sr(sr_type: str, taken: int) -> None:
    async def body(host: Host) -> int:
        host.set(host.sr, type=sr_type)
        return int(host.row(await host.disk(GIB))["physical_utilisation"])

    assert over_host(body) == taken


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"size": 0}, "SR_BACKEND_FAILURE_79"),
        ({"size": 2041 * GIB}, "SR_BACKEND_FAILURE_79"),
        ({"type": "cbt_metadata"}, "VDI_INCOMPATIBLE_TYPE"),
    ],
)
def test_a_disk_is_refused_before_it_is_made(fields: dict[str, Any], code: str) -> None:
    async def body(host: Host) -> None:
        size = fields.get("size", GIB)
        record = {"name_label": "", "name_description": "", "SR": host.sr, "virtual_size": str(size), "type": fields.get("type", "user")}
        refusal = await host.refused("VDI.create", {**record, "sharable": False, "read_only": False, "other_config": {}})
        assert refusal[0] == code
        assert host.world.count("VDI") == 0

    over_host(body)


@pytest.mark.parametrize("method", ["VDI.create", "VDI.snapshot", "VDI.clone", "VDI.destroy"])
def test_nothing_is_done_in_an_sr_that_no_host_sees(method: str) -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        with host.world.edit() as edit:
            edit.set(host.row(host.sr)["PBDs"][0], currently_attached=False)
        record = {"name_label": "", "name_description": "", "SR": host.sr, "virtual_size": "1", "type": "user"}
        params = {**record, "sharable": False, "read_only": False, "other_config": {}} if method == "VDI.create" else vdi
        assert await host.refused(method, params) == ["SR_HAS_NO_PBDS", host.sr]

    over_host(body)


def test_an_iso_library_takes_no_snapshot_and_clones_by_copying() -> None:
    async def body(host: Host) -> None:
        isos = await host.call("SR.create", host.host, {"location": "/isos"}, "0", "isos", "", "iso", "iso", False, {})
        iso = await host.disk(MIB, isos)
        host.write(iso, 0, b"CD001")
        assert await host.refused("VDI.snapshot", iso) == ["SR_OPERATION_NOT_SUPPORTED", isos]
        clone = await host.call("VDI.clone", iso)
        assert host.kit.xapi.disks.read(host.id(clone), 0, 5) == b"CD001"
        assert host.row(clone)["sm_config"] == {}

    over_host(body)


# ---- room ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sr_type", ["ext", "lvm"])
def test_a_full_sr_takes_no_new_disk(sr_type: str) -> None:
    async def body(host: Host) -> None:
        host.set(host.sr, type=sr_type, physical_size=2 * GIB, physical_utilisation=2 * GIB - 2000)
        record = {"name_label": "", "name_description": "", "SR": host.sr, "virtual_size": str(GIB), "type": "user"}
        assert await host.refused("VDI.create", {**record, "sharable": False, "read_only": False, "other_config": {}}) == FULL
        assert (host.row(host.sr)["VDIs"], _used(host)) == ((), (2 * GIB - 2000, 0))

    over_host(body)


@pytest.mark.parametrize("method", ["VDI.clone", "VDI.snapshot", "VDI.copy"])
def test_a_full_sr_takes_no_copy(method: str) -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.write(vdi, 0, b"x")
        with host.world.edit() as edit:
            storage.measure(host.kit.xapi, edit, host.id(vdi))
        host.set(host.sr, physical_size=host.row(host.sr)["physical_utilisation"] + 10)
        assert await host.refused(method, vdi, *([host.sr] if method == "VDI.copy" else [])) == FULL
        assert host.row(host.sr)["VDIs"] == (host.id(vdi),)
        assert _used(host) == _sum(host)
        assert host.row(vdi)["sm_config"] == {"vdi_type": "vhd"}

    over_host(body)


def test_room_is_needed_as_bytes_arrive() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        free = storage.free_bytes(host.row(host.sr))
        assert free is not None
        storage.require_space(host.world, host.id(host.sr), free)
        with pytest.raises(Failure, match="SR_BACKEND_FAILURE_44"):
            storage.require_space(host.world, host.id(host.sr), free + 1)
        host.write(vdi, 0, b"x" * 5 * MIB)
        with host.world.edit() as edit:
            storage.measure(host.kit.xapi, edit, host.id(vdi))
        assert host.row(vdi)["physical_utilisation"] == 6 * MIB + storage.metadata_bytes(10 * GIB)
        assert _used(host) == _sum(host)

    over_host(body)


def test_an_sr_of_unknown_size_is_never_full() -> None:
    async def body(host: Host) -> None:
        host.set(host.sr, physical_size=-1, physical_utilisation=-1)
        await host.disk()

    over_host(body)


# ---- chains ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["VDI.snapshot", "VDI.clone"])
def test_the_first_split_makes_a_base_and_two_leaves(method: str) -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(tags=["blue"], other_config={"image-id": "7"})
        host.write(vdi, 0, b"x" * 4 * MIB)
        with host.world.edit() as edit:
            storage.measure(host.kit.xapi, edit, host.id(vdi))
        full = host.row(vdi)["physical_utilisation"]
        made = await host.call(method, vdi)
        base = host.world[_parent(host, vdi)]
        assert _parent(host, made) == _parent(host, vdi)
        assert (base["name_label"], base["managed"], base["read_only"], base["physical_utilisation"]) == ("base copy", False, True, full)
        assert host.row(vdi)["physical_utilisation"] == host.row(made)["physical_utilisation"] == storage.metadata_bytes(10 * GIB)
        assert _used(host) == _sum(host)
        assert host.kit.xapi.disks.read(host.id(made), 0, 1) == b"x"
        kept = {name: host.row(made)[name] for name in ("name_label", "type", "other_config", "tags", "sharable", "read_only")}
        assert kept == {name: host.row(vdi)[name] for name in kept}
        is_snapshot = method == "VDI.snapshot"
        assert (host.row(made)["is_a_snapshot"], host.row(made)["snapshot_of"]) == (is_snapshot, host.id(vdi) if is_snapshot else 0)

    over_host(body)


def test_a_cached_image_is_cloned_forever_over_one_base() -> None:
    async def body(host: Host) -> None:
        image = await host.disk()
        host.write(image, 0, b"image")
        clones = [await host.call("VDI.clone", image) for _ in range(40)]
        assert len({_parent(host, clone) for clone in clones}) == 1
        assert _names(host).count("base copy") == 1

    over_host(body)


def test_each_split_of_a_written_disk_is_deeper_until_it_is_too_deep() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(GIB)
        refusal: list[str] = []
        for number in range(40):
            host.write(vdi, 0, bytes([number + 1]))
            try:
                await host.call("VDI.snapshot", vdi)
            except Failure as failure:
                refusal = failure.details
                break
        assert refusal == ["SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""]
        assert _names(host).count("base copy") == 29

    over_host(body)


def test_the_collector_joins_a_base_with_its_only_leaf_after_a_while() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.write(vdi, 0, b"x" * MIB)
        snapshot = await host.call("VDI.snapshot", vdi)
        host.write(vdi, MIB * 4, b"y" * MIB)
        await host.call("VDI.destroy", snapshot)
        assert _names(host) == ["base copy", "root"]
        await asyncio.sleep(60)
        assert _names(host) == ["root"]
        assert host.row(vdi)["sm_config"] == {"vdi_type": "vhd"}
        assert host.row(vdi)["physical_utilisation"] == 4 * MIB + storage.metadata_bytes(10 * GIB)
        assert (host.kit.xapi.disks.read(host.id(vdi), 0, 1), host.kit.xapi.disks.read(host.id(vdi), 4 * MIB, 1)) == (b"x", b"y")
        assert _used(host) == _sum(host)

    over_host(body, settings=REALISTIC)


def test_the_collector_merges_a_base_into_the_one_above_it() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.write(vdi, 0, b"1")
        first = await host.call("VDI.snapshot", vdi)
        oldest = _parent(host, first)
        host.write(vdi, 0, b"2")
        second = await host.call("VDI.snapshot", vdi)
        assert _parent(host, second) != oldest
        await host.call("VDI.destroy", first)
        await asyncio.sleep(1)
        assert _parent(host, second) == _parent(host, vdi) == oldest
        assert host.kit.xapi.disks.read(host.id(second), 0, 1) == b"2"
        assert _names(host) == ["base copy", "root", "root"]
        assert _used(host) == _sum(host)

    over_host(body)


def test_bases_without_children_go() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.write(vdi, 0, b"1")
        clone = await host.call("VDI.clone", vdi)
        for leaf in (vdi, clone):
            await host.call("VDI.destroy", leaf)
        await asyncio.sleep(1)
        assert (_names(host), _used(host)) == ([], (0, 0))
        assert list(host.kit.xapi.disks.keys()) == []

    over_host(body)


# ---- copy, resize and the rest ---------------------------------------------------------------------------------------------------


def test_a_copy_is_whole_and_writable() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(read_only=True, sm_config={"a": "b"})
        host.write(vdi, 0, b"x")
        made = await host.call("VDI.copy", vdi, host.sr)
        row = host.row(made)
        assert (row["name_label"], row["read_only"], row["sm_config"]) == ("root", False, {"vdi_type": "vhd"})
        assert host.kit.xapi.disks.read(host.id(made), 0, 1) == b"x"
        assert row["physical_utilisation"] == 2 * MIB + storage.metadata_bytes(10 * GIB)

    over_host(body)


def test_a_copy_goes_into_a_disk_that_is_large_enough_and_writable() -> None:
    async def body(host: Host) -> None:
        vdi, small, large, sealed = (
            await host.disk(4 * MIB),
            await host.disk(2 * MIB),
            await host.disk(8 * MIB),
            await host.disk(read_only=True),
        )
        host.write(vdi, 0, b"x")
        assert await host.refused("VDI.copy", vdi, NULL, NULL, small) == ["VDI_TOO_SMALL", small, str(4 * MIB)]
        assert await host.refused("VDI.copy", vdi, NULL, NULL, sealed) == ["VDI_READONLY", sealed]
        assert await host.call("VDI.copy", vdi, NULL, NULL, large) == large
        assert (host.kit.xapi.disks[host.id(large)].size, host.kit.xapi.disks.read(host.id(large), 0, 1)) == (8 * MIB, b"x")
        assert await host.refused("VDI.copy", vdi) == ["HANDLE_INVALID", "SR", NULL]

    over_host(body)


def test_a_copy_takes_as_long_as_its_bytes() -> None:
    async def body(host: Host) -> list[float]:
        loop, took = asyncio.get_running_loop(), []
        for size in (0, 120 * MIB):
            vdi = await host.disk()
            host.write(vdi, 0, b"x" * size)
            began = loop.time()
            await host.call("VDI.copy", vdi, host.sr)
            took.append(loop.time() - began)
        return took

    empty, full = over_host(body, settings=REALISTIC)
    assert full - empty > 1.0


@pytest.mark.parametrize(("sr_type", "grown"), [("ext", 0), ("lvm", 10 * GIB)])
def test_disks_only_grow(sr_type: str, grown: int) -> None:
    async def body(host: Host) -> None:
        host.set(host.sr, type=sr_type)
        vdi = await host.disk()
        before = host.row(vdi)["physical_utilisation"]
        await host.call("VDI.resize", vdi, str(20 * GIB))
        row = host.row(vdi)
        assert (row["virtual_size"], host.kit.xapi.disks[host.id(vdi)].size) == (20 * GIB, 20 * GIB)
        assert abs(row["physical_utilisation"] - before - grown) < 64 * 1024
        assert _used(host) == _sum(host)
        refusal = ["SR_BACKEND_FAILURE_79", "", "VDI Invalid size [opterr=shrinking not allowed]", ""]
        assert await host.refused("VDI.resize", vdi, str(GIB)) == refusal
        assert await host.refused("VDI.resize_online", vdi, str(30 * GIB)) == ["SR_OPERATION_NOT_SUPPORTED", host.sr]

    over_host(body)


def test_a_destroyed_disk_takes_its_unplugged_vbds_along() -> None:
    async def body(host: Host) -> None:
        vm, vdi, vbd, _ = await host.server()
        await host.call("VM.start", vm, False, False)
        assert await host.refused("VDI.destroy", vdi) == ["VDI_IN_USE", vdi, "destroy"]
        await host.call("VM.hard_shutdown", vm)
        await host.call("VDI.destroy", vdi)
        assert (host.row(vm)["VBDs"], host.world.get(host.id(vbd)), _used(host)) == ((), None, (0, 0))

    over_host(body)


def test_a_vm_forgets_a_suspend_image_that_is_destroyed() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        await host.call("VM.suspend", vm)
        await host.call("VDI.destroy", host.world.ref(host.row(vm)["suspend_VDI"]))
        assert host.row(vm)["suspend_VDI"] == 0

    over_host(body)


def test_one_operation_at_a_time_in_an_sr() -> None:
    async def body(host: Host) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(host.disk(), host.disk(), host.disk())
        assert loop.time() - began > 3 * 0.4
        assert host.row(host.sr)["current_operations"] == {}
        assert _used(host) == _sum(host)

    over_host(body, settings=REALISTIC)


def test_a_disk_is_introduced_where_its_driver_can() -> None:
    async def body(host: Host) -> None:
        params: tuple[Any, ...] = ("", "lun", "", host.sr, "user", False, False, {}, "lun-0", {}, {}, True, str(GIB), "0")
        assert await host.refused("VDI.introduce", *params) == ["SR_OPERATION_NOT_SUPPORTED", host.sr]
        host.set(host.sr, type="iscsi")
        vdi = await host.call("VDI.introduce", *params)
        assert (host.row(vdi)["location"], host.row(vdi)["virtual_size"]) == ("lun-0", GIB)
        assert await host.refused("VDI.introduce", *params) == ["LOCATION_NOT_UNIQUE", host.sr, "lun-0"]
        uuid = host.world.uuid(host.id(vdi))
        other = (uuid, *params[1:8], "lun-1", *params[9:])
        assert await host.refused("VDI.introduce", *other) == ["UUID_INVALID", "VDI", uuid]
        await host.call("VDI.forget", vdi)
        assert (host.world.count("VDI"), host.row(host.sr)["virtual_allocation"]) == (0, 0)

    over_host(body)


def test_changed_blocks_are_tracked() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk(8 * MIB)
        await host.call("VDI.enable_cbt", vdi)
        before = await host.call("VDI.snapshot", vdi)
        host.write(vdi, 2 * MIB, b"x")
        after = await host.call("VDI.snapshot", vdi)
        bitmap = base64.b64decode(await host.call("VDI.list_changed_blocks", before, after))
        assert bitmap == bytes(4) + b"\xff" * 4 + bytes(8)
        await host.call("VDI.data_destroy", before)
        assert host.row(before)["type"] == "cbt_metadata"
        assert await host.refused("VDI.clone", before) == ["VDI_INCOMPATIBLE_TYPE", before, "cbt_metadata"]
        await host.call("VDI.disable_cbt", vdi)
        assert (await host.refused("VDI.list_changed_blocks", before, vdi))[0] == "SR_BACKEND_FAILURE_460"

    over_host(body)


def test_a_disk_that_forgets_keeps_its_vm_from_snapshots() -> None:
    async def body(host: Host) -> None:
        vm, vdi, *_ = await host.server()
        host.set(host.sr, type="lvm")
        await host.call("VDI.set_on_boot", vdi, "reset")
        assert "snapshot" not in host.row(vm)["allowed_operations"]
        await host.call("VDI.set_on_boot", vdi, "persist")
        assert "snapshot" in host.row(vm)["allowed_operations"]

    over_host(body)


def test_names_and_flags_are_written() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        for field, value in (("name_label", "a"), ("name_description", "b"), ("sharable", True), ("read_only", True), ("managed", False)):
            await host.call(f"VDI.set_{field}", vdi, value)
            assert host.row(vdi)[field] == value
        await host.call("VDI.update", vdi)

    over_host(body)
