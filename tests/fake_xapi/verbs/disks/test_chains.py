"""Room on SRs and chains of VHDs: what a disk takes, what is refused when nothing is left, and what the garbage collector joins."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.verbs.disks import storage
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, over_host

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
        vdi = await host.disk()
        assert await host.call("SR.get_VDIs", host.sr) == [vdi]

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


@pytest.mark.parametrize("sr_type", ["netapp", "equal", "cslg"])
def test_an_array_splits_without_chains(sr_type: str) -> None:
    async def body(host: Host) -> None:
        host.set(host.sr, type=sr_type)
        vdi = await host.disk()
        host.write(vdi, 0, b"x")
        for method in ("VDI.snapshot", "VDI.clone"):
            made = await host.call(method, vdi)
            assert (host.row(made)["sm_config"], host.kit.xapi.disks.read(host.id(made), 0, 1)) == ({}, b"x")
        assert host.row(vdi)["sm_config"] == {}
        assert _names(host) == ["root"] * 3

    over_host(body, "tampa")
