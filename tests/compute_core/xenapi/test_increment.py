"""Backups of what has changed, with real bytes: what is moved, and what servers that are built from any of them hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from compute_core.model.backups import PARENT
from compute_core.model.errors import BadImage, BuildFailed
from compute_core.model.images import Image
from compute_core.xenapi import marks
from compute_core.xenapi.errors import ReplyLost, TransferFailed, XenApiFailure
from compute_core.xenapi.increment import Base, Moved, found, increment, let_go
from compute_core.xenapi.removal import remove
from compute_core.xenapi.vhd_archive import Tally
from tests.compute_core.rig import NOTHING, Rig, content_of, over_rig
from tests.compute_core.simulated import loses_reply, refuses
from tests.compute_core.values import UUID, an_instance
from tests.compute_core.xenapi.test_snapshot_chain import OTHER, root_of, write

BLOCK = 2 << 20
SEEN = 16 << 20
"""So much of a disk is compared."""
NAME = f"instance-{UUID}"


async def point(rig: Rig, vm: str, parent: Image | None = None) -> tuple[Image, Moved]:
    """Back the server up, with what has changed since another point."""
    disk = await found(rig.session, vm, UUID)
    base = disk.base(parent.id) if parent else None
    properties = {PARENT: parent.id} if parent else {}
    image = await rig.images.create("point", "p", disk_format="vhd", container_format="ovf", properties=properties)
    moved = await increment(rig.session, disk, base, image.id, rig.images, Tally())
    return await rig.images.get(image.id), moved


async def digest_of(rig: Rig, vm: str) -> str:
    return hashlib.sha256(content_of(rig, await root_of(rig, vm), SEEN)).hexdigest()


async def restored(rig: Rig, image: Image) -> str:
    """The digest of what a new server of a point has on its disk; the server is gone again."""
    vm = await rig.spawn(an_instance(OTHER, vifs=()), image)
    digest = await digest_of(rig, vm)
    await remove(rig.session, OTHER, f"instance-{OTHER}")
    return digest


def test_every_point_holds_what_the_disk_held_and_moves_no_more_than_what_had_changed(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        root = await root_of(rig, vm)
        points: list[tuple[Image, Moved, str]] = []
        for number, at in enumerate((4 * BLOCK, 5 * BLOCK, 0), start=1):
            write(rig, root, at, bytes([number]) * 4096)
            image, moved = await point(rig, vm, points[-1][0] if points else None)
            points.append((image, moved, await digest_of(rig, vm)))

        assert [await restored(rig, image) for image, _, _ in points] == [digest for _, _, digest in points]
        assert len({digest for _, _, digest in points}) == 3
        first, second, third = (moved for _, moved, _ in points)
        assert (first.is_delta, second.is_delta, third.is_delta) == (False, True, True)
        assert first.sent_bytes == first.whole_bytes > 2 * BLOCK
        assert all(BLOCK < moved.sent_bytes < BLOCK + 65536 for moved in (second, third))
        assert (second.whole_bytes, third.whole_bytes) == (first.whole_bytes + BLOCK + 512,) * 2

    over_rig(tmp_path, body)


def test_nothing_has_changed_and_next_to_nothing_is_moved(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[bool, str, str]:
        vm = await rig.spawn(an_instance())
        first, _ = await point(rig, vm)
        second, moved = await point(rig, vm, first)
        assert moved.is_delta
        return moved.sent_bytes < 65536, await restored(rig, second), await digest_of(rig, vm)

    is_small, restored_digest, digest = over_rig(tmp_path, body)

    assert (is_small, restored_digest) == (True, digest)


def test_the_snapshot_of_a_point_stays_and_goes_with_the_server_or_when_it_is_let_go(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], list[str], list[str], dict[str, list[str]]]:
        vm = await rig.spawn(an_instance())
        first, _ = await point(rig, vm)
        second, _ = await point(rig, vm, first)
        both = rig.left()["VDI"]
        await let_go(rig.session, await found(rig.session, vm, UUID), {second.id})
        left = [base.image_id for base in (await found(rig.session, vm, UUID)).bases]
        assert left == [second.id]
        one = rig.left()["VDI"]
        vdis = (await rig.session.call("VDI.get_all_records")).values()
        told = [vdi["other_config"] for vdi in vdis if marks.BACKUP in vdi["other_config"]]
        assert told == [{marks.INSTANCE: UUID, marks.DISK: "backup", marks.BACKUP: second.id}]
        await remove(rig.session, UUID, NAME)
        return both, one, [image.name for image in await rig.images.list()], rig.left()

    assert over_rig(tmp_path, body) == ([NAME] * 3, [NAME] * 2, ["debian", "point", "point"], NOTHING)


def test_what_a_host_sends_whole_needs_no_parent(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[bool, bool, str, str]:
        vm = await rig.spawn(an_instance())
        root = await root_of(rig, vm)
        first, _ = await point(rig, vm)
        write(rig, root, 4 * BLOCK, b"new" * 512)
        disk = await found(rig.session, vm, UUID)
        image = await rig.images.create("point", "p", disk_format="vhd", container_format="ovf", properties={PARENT: first.id})
        gone = Base("", OTHER, first.id)  # the host knows no such disk
        moved = await increment(rig.session, disk, gone, image.id, rig.images, Tally())
        await rig.images.delete(first.id)
        digest = await restored(rig, await rig.images.get(image.id))
        return moved.is_delta, moved.sent_bytes == moved.whole_bytes, digest, await digest_of(rig, vm)

    is_delta, is_whole, digest, wanted = over_rig(tmp_path, body)

    assert (is_delta, is_whole, digest) == (False, True, wanted)


@pytest.mark.parametrize("loss", ["deleted", "another's", "unfilled", "unnamed"])
def test_a_point_without_all_that_it_needs_is_refused(tmp_path: Path, loss: str) -> None:
    async def body(rig: Rig) -> tuple[str, list[str]]:
        vm = await rig.spawn(an_instance())
        first, _ = await point(rig, vm)
        second, _ = await point(rig, vm, first)
        if loss == "deleted":
            await rig.images.delete(first.id)
        elif loss == "another's":
            await rig.images.update(first.id, owner="somebody else")
        else:
            empty = await rig.images.create("empty", "p", disk_format="vhd", container_format="ovf")
            second = await rig.images.update(second.id, properties={PARENT: empty.id} if loss == "unfilled" else {})
        with pytest.raises((BadImage, BuildFailed)) as refusal:
            await restored(rig, second)
        return refusal.value.message, rig.left()["VDI"]

    message, left = over_rig(tmp_path, body)

    assert "needs the image" in message or "needs the parent" in message
    assert left == [NAME] * 3


CALLS = ("VDI.snapshot", "VDI.set_other_config", "GET /export_raw_vdi", "GET /export_raw_vdi")


@pytest.mark.parametrize("kind", ["lost", "refused"])
@pytest.mark.parametrize("at", range(len(CALLS)), ids=CALLS)
def test_whatever_fails_leaves_the_earlier_points_and_nothing_else(tmp_path: Path, at: int, kind: str) -> None:
    async def body(rig: Rig) -> tuple[list[str], bool]:
        vm = await rig.spawn(an_instance())
        first, _ = await point(rig, vm)
        disk = await found(rig.session, vm, UUID)
        image = await rig.images.create("point", "p", disk_format="vhd", container_format="ovf", properties={PARENT: first.id})
        rig.undisturbed()
        if kind == "lost":
            rig.wire.after = loses_reply(at + 1)
        else:
            rig.wire.before = refuses(at + 1, "INTERNAL_ERROR", "told to")
        is_made = True
        try:
            await increment(rig.session, disk, disk.base(first.id), image.id, rig.images, Tally())
        except (XenApiFailure, ReplyLost, TransferFailed):
            is_made = False
        rig.undisturbed()
        return rig.left()["VDI"], is_made == ((await rig.images.get(image.id)).status == "active")

    left, is_told = over_rig(tmp_path, body)

    assert (left in ([NAME] * 2, [NAME] * 3), is_told) == (True, True)
