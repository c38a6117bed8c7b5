"""The verbs of VDI: sizes, room on SRs, chains of VHDs and who collects them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.verbs.disks import storage
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, NULL, Host, over_host

REALISTIC = Settings(durations=durations("realistic"))


def _used(host: Host) -> tuple[int, int]:
    row = host.row(host.sr)
    return row["physical_utilisation"], row["virtual_allocation"]


def _sum(host: Host) -> tuple[int, int]:
    rows = [host.world[vdi] for vdi in host.row(host.sr)["VDIs"]]
    return sum(row["physical_utilisation"] for row in rows), sum(row["virtual_size"] for row in rows)


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


UNSEEN: dict[str, tuple[Any, ...]] = {
    **{f"VDI.{name}": () for name in ("snapshot", "clone", "destroy", "update", "enable_cbt", "disable_cbt", "data_destroy", "checksum")},
    "VDI.resize": (str(20 * GIB),),
    "VDI.set_on_boot": ("persist",),
}
"""What wants to be done to a disk, and its parameters beside it."""


@pytest.mark.parametrize("method", UNSEEN)
def test_nothing_is_done_to_a_disk_in_an_sr_that_no_host_sees(method: str) -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        is_tracked = method == "VDI.data_destroy"
        host.set(vdi, cbt_enabled=is_tracked, is_a_snapshot=is_tracked)
        with host.world.edit() as edit:
            edit.set(host.row(host.sr)["PBDs"][0], currently_attached=False)
        assert await host.refused(method, vdi, *UNSEEN[method]) == ["SR_HAS_NO_PBDS", host.sr]
        assert host.row(vdi)["virtual_size"] == 10 * GIB

    over_host(body)


def test_nothing_is_done_in_an_sr_that_no_host_sees() -> None:
    async def body(host: Host) -> None:
        first, second = await host.disk(), await host.disk()
        with host.world.edit() as edit:
            edit.set(host.row(host.sr)["PBDs"][0], currently_attached=False)
        record = {"name_label": "", "name_description": "", "SR": host.sr, "virtual_size": "1", "type": "user"}
        refusal = ["SR_HAS_NO_PBDS", host.sr]
        assert await host.refused("VDI.create", {**record, "sharable": False, "read_only": False, "other_config": {}}) == refusal
        assert await host.refused("VDI.list_changed_blocks", first, second) == refusal
        assert await host.refused("SR.update", host.sr) == refusal

    over_host(body)


@pytest.mark.parametrize("release", ["boston", "latest"])
def test_nobody_touches_the_base_of_a_chain(release: str) -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.write(vdi, 0, b"x")
        await host.call("VDI.snapshot", vdi, {})
        (base,) = [host.world.ref(one) for one in host.row(host.sr)["VDIs"] if not host.world[one]["managed"]]
        drive = await host.drive(await host.vm())
        host.set(host.sr, content_type="iso")
        touches: list[tuple[Any, ...]] = [
            *(("VDI.snapshot", base, {}), ("VDI.clone", base, {}), ("VDI.copy", base, host.sr), ("VDI.destroy", base)),
            *(("VDI.resize", base, str(20 * GIB)), ("VBD.insert", drive, base)),
        ]
        for method, *params in touches:
            assert [method, *await host.refused(method, *params)] == [method, "VDI_NOT_MANAGED", base]
        assert host.kit.xapi.disks.read(host.id(vdi), 0, 1) == b"x"

    over_host(body, release)


def test_a_copy_does_at_boot_what_the_original_does() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.set(vdi, on_boot="reset", allow_caching=True)
        made = host.row(await host.call("VDI.copy", vdi, host.sr))
        assert (made["on_boot"], made["allow_caching"]) == ("reset", True)

    over_host(body, "clearwater")


def test_a_record_of_changes_holds_no_database() -> None:
    async def body(host: Host) -> None:
        vdi, pool = await host.disk(), host.world.ref(next(host.world.ids("pool")))
        await host.call("VDI.set_metadata_of_pool", vdi, pool)
        assert host.row(vdi)["metadata_of_pool"] == host.id(pool)
        host.set(vdi, type="cbt_metadata")
        assert await host.refused("VDI.set_metadata_of_pool", vdi, NULL) == ["VDI_INCOMPATIBLE_TYPE", vdi, "cbt_metadata"]

    over_host(body)


def test_an_iso_library_takes_no_snapshot_and_clones_by_copying() -> None:
    async def body(host: Host) -> None:
        config = {"location": "/var/opt/xen/iso_import", "legacy_mode": "true"}
        isos = await host.call("SR.create", host.host, config, "0", "isos", "", "iso", "iso", False, {})
        iso = await host.disk(MIB, isos)
        host.write(iso, 0, b"CD001")
        assert await host.refused("VDI.snapshot", iso) == ["SR_OPERATION_NOT_SUPPORTED", isos]
        clone = await host.call("VDI.clone", iso)
        assert host.kit.xapi.disks.read(host.id(clone), 0, 5) == b"CD001"
        assert host.row(clone)["sm_config"] == {}

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


def test_a_disk_is_not_destroyed_while_it_is_copied() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.write(vdi, 0, b"x" * (1200 * MIB))
        task = await host.call("Async.VDI.copy", vdi, host.sr)
        await asyncio.sleep(1)
        assert "destroy" not in host.row(vdi)["allowed_operations"]
        assert await host.refused("VDI.destroy", vdi) == ["VDI_IN_USE", vdi, "destroy"]
        await asyncio.sleep(600)
        assert host.row(task)["status"] == "success"

    over_host(body, settings=Settings(durations=durations("realistic")))


def test_a_copy_of_a_disk_that_goes_meanwhile_fails_and_leaves_nothing() -> None:
    async def body(host: Host) -> None:
        vdi = await host.disk()
        host.write(vdi, 0, b"x" * (1200 * MIB))
        task = await host.call("Async.VDI.copy", vdi, host.sr)
        await asyncio.sleep(1)
        with host.world.edit() as edit:
            edit.destroy(host.id(vdi))
        await asyncio.sleep(600)
        assert (host.row(task)["error_info"], host.world.count("VDI")) == (("HANDLE_INVALID", "VDI", vdi), 0)

    over_host(body, settings=Settings(durations=durations("realistic")))


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
