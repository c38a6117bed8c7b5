"""Disks that are only measured: the same calls and sizes as with bytes, and guests that fill them by a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fake_xapi.dom0.blocks import BLOCK_BYTES, BlockFile, HollowFile
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.disks.disk_fill import STANDARD
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, over_host

HOUR_S = 3600
Sizes = list[tuple[str, int]]


def over_store(body: Callable[[Host], Awaitable[Sizes]], file: BlockFile) -> Sizes:
    async def with_store(host: Host) -> Sizes:
        host.kit.xapi.disks = DiskStore(file)
        return await body(host)

    return over_host(with_store)


def _sizes(host: Host) -> Sizes:
    rows = [host.world[vdi] for vdi in host.row(host.sr)["VDIs"]]
    return [*((row["name_label"], row["physical_utilisation"]) for row in rows), ("SR", host.row(host.sr)["physical_utilisation"])]


async def _life(host: Host) -> Sizes:
    """Written, snapshotted, written over, cloned, grown, copied, emptied, collected."""
    vdi = await host.disk(GIB)
    host.write(vdi, 0, b"a" * 5 * MIB)
    snapshot = await host.call("VDI.snapshot", vdi)
    host.write(vdi, 4 * MIB, b"b" * 3 * MIB)
    host.write(vdi, 500 * MIB + 7, b"c")
    await host.call("VDI.update", vdi)
    seen = _sizes(host)
    clone = await host.call("VDI.clone", vdi)
    await host.call("VDI.resize", clone, str(2 * GIB))
    await host.call("VDI.copy", clone, host.sr)
    seen += _sizes(host)
    host.write(vdi, 4 * MIB, bytes(2 * MIB))
    for one in (snapshot, clone):
        await host.call("VDI.destroy", one)
    await host.call("SR.scan", host.sr)
    await asyncio.sleep(1)
    return seen + _sizes(host)


def test_the_same_writes_take_the_same_room() -> None:
    assert over_store(_life, HollowFile()) == over_store(_life, BlockFile())


def test_what_is_only_measured_reads_as_noise_and_takes_no_room() -> None:
    file = HollowFile()
    store = DiskStore(file)
    store.create("a", 8 * MIB)
    store.write("a", 0, b"x" * 3 * MIB)
    noise = store.read("a", 0, 8 * MIB)
    assert (noise[: 4 * MIB].count(0) < MIB, noise[4 * MIB :], noise == store.read("a", 0, 8 * MIB)) == (True, bytes(4 * MIB), True)
    assert store.read("a", BLOCK_BYTES - 5, 10) == noise[BLOCK_BYTES - 5 : BLOCK_BYTES + 5]
    assert file._descriptor == -1
    assert store.blocks("a") == [0, 1]


def test_where_bytes_are_kept_nothing_is_written_that_nobody_saw() -> None:
    store = DiskStore()
    store.create("a", 8 * MIB)
    with pytest.raises(TypeError, match="keep their bytes"):
        store.write_unseen("a", [0], "x")


async def _written(host: Host, hours: float) -> int:
    """What a guest's disk takes after so many hours, without its headers."""
    _, vdi, *_ = server = await host.server()
    await host.call("VM.start", server[0], False, False)
    await asyncio.sleep(hours * HOUR_S)
    await host.call("SR.scan", host.sr)
    return int(host.row(vdi)["physical_utilisation"]) - storage.metadata_bytes(10 * GIB)


def test_guests_fill_their_disks_as_time_goes_by() -> None:
    async def body(host: Host) -> Sizes:
        return [(str(hours), await _written(host, hours)) for hours in (0, 10, 10)]

    first, *later = (size for _, size in over_store(body, HollowFile()))
    assert STANDARD.first_bytes // 2 - BLOCK_BYTES <= first <= STANDARD.first_bytes * 3 // 2
    for size in later:
        assert (STANDARD.first_bytes + 10 * STANDARD.hourly_bytes) // 2 - BLOCK_BYTES <= size
    assert later[0] != later[1]
    assert over_store(body, BlockFile()) == [("0", 0), ("10", 0), ("10", 0)]


def test_a_disk_is_never_filled_to_its_end_and_rests_when_its_guest_does() -> None:
    async def body(host: Host) -> Sizes:
        vm, vdi = await host.vm(), await host.disk(100 * MIB)
        await host.vbd(vm, vdi)
        seen = []
        await host.call("VM.start", vm, False, False)
        for _ in range(2):
            await asyncio.sleep(10 * HOUR_S)
            await host.call("SR.scan", host.sr)
            seen.append(("", int(host.row(vdi)["physical_utilisation"])))
        await host.call("VM.hard_shutdown", vm)
        await host.call("SR.scan", host.sr)
        return [*seen, ("", int(host.row(vdi)["physical_utilisation"]))]

    sizes = {size - storage.metadata_bytes(100 * MIB) for _, size in over_store(body, HollowFile())}
    assert sizes == {60 * MIB}


def test_a_snapshot_has_what_was_written_by_then_and_the_disk_what_comes_after() -> None:
    async def body(host: Host) -> Sizes:
        vm, vdi, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(5 * HOUR_S)
        await host.call("VDI.snapshot", vdi)
        base = host.world.by_uuid("VDI", host.row(vdi)["sm_config"]["vhd-parent"])
        held = host.world[base]["physical_utilisation"]
        await asyncio.sleep(5 * HOUR_S)
        await host.call("SR.scan", host.sr)
        return [("base", held), ("base", host.world[base]["physical_utilisation"]), ("leaf", host.row(vdi)["physical_utilisation"])]

    (_, before), (_, after), (_, leaf) = over_store(body, HollowFile())
    assert before == after > leaf > storage.metadata_bytes(10 * GIB)
