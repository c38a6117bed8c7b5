"""Changed block tracking: bitmaps of what was written, chains of logs, and snapshots that keep no more than their log."""

from __future__ import annotations

import asyncio
import base64

import pytest

from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.disks.vdi_tracking import NO_CONTENT, PATIENCE_S
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, over_host

KIB64 = 64 << 10
UNRELATED = [
    "SR_BACKEND_FAILURE_460",
    "",
    "Failed to calculate changed blocks for given VDIs. [opterr=Source and target VDI are unrelated]",
    "",
]


async def tracked(host: Host, size: int = 8 * MIB) -> str:
    vdi = await host.disk(size)
    await host.call("VDI.enable_cbt", vdi)
    return vdi


async def changed(host: Host, first: str, second: str) -> list[int]:
    """The numbers of the 64 KiB blocks that the bitmap names."""
    bits = base64.b64decode(await host.call("VDI.list_changed_blocks", first, second))
    assert len(bits) == -(-host.row(second)["virtual_size"] // KIB64 // 8)
    return [place for place in range(8 * len(bits)) if bits[place >> 3] & 0x80 >> (place & 7)]


def test_a_bitmap_names_the_blocks_that_were_written() -> None:
    async def body(host: Host) -> None:
        vdi = await tracked(host)
        before = await host.call("VDI.snapshot", vdi)
        host.write(vdi, 2 * MIB, b"x")
        host.write(vdi, 5 * MIB - 1, b"yy")
        host.write(vdi, 8 * MIB - 1, b"z")
        after = await host.call("VDI.snapshot", vdi)
        assert await changed(host, before, after) == [32, 79, 80, 127]
        assert await changed(host, before, vdi) == [32, 79, 80, 127]
        assert await changed(host, after, vdi) == []
        host.write(vdi, 2 * MIB, b"\0")
        assert await changed(host, before, vdi) == [79, 80, 127]
        assert await changed(host, after, vdi) == [32]

    over_host(body)


def test_a_bitmap_has_a_bit_for_each_block_of_a_disk_of_any_size() -> None:
    async def body(host: Host) -> None:
        vdi = await tracked(host, 10 * MIB)
        before = await host.call("VDI.snapshot", vdi)
        await host.call("VDI.resize", vdi, str(14 * MIB))
        host.write(vdi, 13 * MIB, b"x")
        assert await changed(host, before, vdi) == [208]

    over_host(body)


def test_logs_lead_from_one_snapshot_to_every_later_one_and_never_back() -> None:
    async def body(host: Host) -> None:
        vdi = await tracked(host)
        snapshots = []
        for place in range(3):
            snapshots.append(await host.call("VDI.snapshot", vdi))
            host.write(vdi, place * KIB64, b"x")
        first, second, third = snapshots
        assert await changed(host, first, third) == [0, 1]
        assert await changed(host, second, vdi) == [1, 2]
        assert await changed(host, first, first) == []
        for one, other in ((third, first), (vdi, first), (first, await host.disk())):
            assert await host.refused("VDI.list_changed_blocks", one, other) == UNRELATED

    over_host(body)


def test_a_destroyed_snapshot_hands_its_log_on() -> None:
    async def body(host: Host) -> None:
        vdi = await tracked(host)
        first = await host.call("VDI.snapshot", vdi)
        host.write(vdi, 0, b"x")
        second = await host.call("VDI.snapshot", vdi)
        host.write(vdi, KIB64, b"x")
        await host.call("VDI.destroy", second)
        assert await changed(host, first, vdi) == [0, 1]

    over_host(body)


def test_switching_off_breaks_the_chain() -> None:
    async def body(host: Host) -> None:
        vdi = await tracked(host)
        first = await host.call("VDI.snapshot", vdi)
        await host.call("VDI.disable_cbt", vdi)
        assert host.row(vdi)["cbt_enabled"] is False
        assert await host.refused("VDI.list_changed_blocks", first, vdi) == UNRELATED
        await host.call("VDI.enable_cbt", vdi)
        await host.call("VDI.enable_cbt", vdi)
        second = await host.call("VDI.snapshot", vdi)
        assert await host.refused("VDI.list_changed_blocks", first, second) == UNRELATED
        assert await changed(host, second, vdi) == []

    over_host(body)


@pytest.mark.parametrize("sr_type", ["ext", "lvm"])
def test_a_snapshot_without_data_is_still_a_base_and_takes_no_room(sr_type: str) -> None:
    async def body(host: Host) -> None:
        host.set(host.sr, type=sr_type)
        vdi = await tracked(host, GIB)
        host.write(vdi, 0, b"x" * 4 * MIB)
        before = await host.call("VDI.snapshot", vdi)
        host.write(vdi, 3 * KIB64, b"y")
        await host.call("VDI.data_destroy", before)
        row = host.row(before)
        facts = (row["type"], row["other_config"]["content_id"], row["is_a_snapshot"], row["cbt_enabled"], row["virtual_size"])
        assert facts == ("cbt_metadata", NO_CONTENT, True, True, GIB)
        assert row["physical_utilisation"] == storage.log_bytes(sr_type, GIB) <= 4 * MIB
        await asyncio.sleep(1)
        assert sorted(host.world[one]["managed"] for one in host.row(host.sr)["VDIs"]) == [True, True]
        assert host.row(vdi)["sm_config"] == {"vdi_type": "vhd"}
        assert await changed(host, before, vdi) == [3]
        for method in ("VDI.clone", "VDI.snapshot"):
            assert await host.refused(method, before) == ["VDI_INCOMPATIBLE_TYPE", before, "cbt_metadata"]
        await host.call("VDI.destroy", before)

    over_host(body)


def test_data_is_not_destroyed_under_a_vm_that_does_not_let_go() -> None:
    async def body(host: Host) -> None:
        vdi = await tracked(host)
        snapshot = await host.call("VDI.snapshot", vdi)
        vbd = await host.vbd(await host.vm(), snapshot, mode="RO")
        host.set(vbd, currently_attached=True)
        began = asyncio.get_running_loop().time()
        assert await host.refused("VDI.data_destroy", snapshot) == ["VDI_IN_USE", snapshot, "data_destroy"]
        assert asyncio.get_running_loop().time() - began == PATIENCE_S
        asyncio.get_running_loop().call_later(1, lambda: host.set(vbd, currently_attached=False))
        await host.call("VDI.data_destroy", snapshot)
        assert host.row(snapshot)["type"] == "cbt_metadata"

    over_host(body)


def test_a_clone_and_a_copy_are_not_tracked() -> None:
    async def body(host: Host) -> None:
        vdi = await tracked(host)
        made = [await host.call("VDI.clone", vdi), await host.call("VDI.copy", vdi, host.sr)]
        assert [host.row(one)["cbt_enabled"] for one in made] == [False, False]
        assert [await host.refused("VDI.list_changed_blocks", vdi, one) for one in made] == [UNRELATED] * 2

    over_host(body)


@pytest.mark.parametrize(
    ("method", "mark"),
    [("VDI.enable_cbt", "vdi_enable_cbt"), ("VDI.disable_cbt", "vdi_disable_cbt"), ("VDI.data_destroy", "vdi_data_destroy")],
)
def test_an_sr_does_one_thing_at_a_time(method: str, mark: str) -> None:
    async def body(host: Host) -> None:
        vdi = await host.call("VDI.snapshot", await tracked(host)) if method == "VDI.data_destroy" else await host.disk()
        host.set(host.sr, current_operations={"OpaqueRef:x": "scan"})
        host.kit.xapi.settings = type(host.kit.xapi.settings)(waits_for_busy=False)
        assert await host.refused(method, vdi) == ["OTHER_OPERATION_IN_PROGRESS", "SR", host.sr, "scan", "OpaqueRef:x"]
        assert mark in host.world.personality.enums["storage_operations"]

    over_host(body)
