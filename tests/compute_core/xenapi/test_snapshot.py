"""The recipe that makes an image of a server, with real file systems where the tools are there."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import BadImage
from compute_core.model.images import Image
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.power import Patience, stop
from compute_core.xenapi.snapshot import snapshot
from scenarios.image import check, make
from tests.compute_core.rig import CONTENT, Rig, content_of, over_rig
from tests.compute_core.simulated import holds, is_dead, loses_reply, refuses
from tests.compute_core.values import UUID, an_instance

CALLS = ["VBD.get_all_records_where", "VDI.snapshot", "GET /export_raw_vdi", "VDI.destroy"]
STEPS = [pytest.param(number, id=f"{number}-{name}") for number, name in enumerate(CALLS, start=1)]
OTHER = "6f70656e-7374-4163-8b00-696e6f766132"


async def queued(rig: Rig) -> str:
    return (await rig.images.create("snapshot", "p", disk_format="vhd", container_format="bare")).id


async def root_of(rig: Rig, vm: str) -> str:
    vbds = await rig.session.call("VM.get_VBDs", vm)
    return str((await rig.session.call("VBD.get_record", vbds[0]))["VDI"])


def test_an_image_of_a_running_server_takes_four_calls_and_a_server_from_it_has_its_disk(tmp_path: Path) -> None:
    written = b"written by the guest".ljust(4096, b"!")

    async def body(rig: Rig) -> tuple[list[str], str, bytes, list[str]]:
        vm = await rig.spawn(an_instance())
        world = rig.xapi.world
        rig.xapi.disks.write(world.find_ref(await root_of(rig, vm)), 1 << 29, written)
        rig.undisturbed()
        await snapshot(rig.session, vm, image_id := await queued(rig), rig.images)
        asked = rig.undisturbed()
        image = await rig.images.get(image_id)
        second = await rig.spawn(an_instance(OTHER, vifs=()), image)
        content = content_of(rig, await root_of(rig, second), (1 << 29) + 4096)
        assert content[: len(CONTENT)] == CONTENT
        return asked, image.status, content[1 << 29 :], rig.left()["VDI"]

    assert over_rig(tmp_path, body) == (CALLS, "active", written, [f"instance-{UUID}", f"instance-{OTHER}"])


@pytest.mark.disk_tools
def test_a_real_file_system_goes_in_and_comes_out_whole(tmp_path: Path) -> None:
    make(tmp_path / "in.vhd")

    async def pieces() -> AsyncIterator[bytes]:
        yield (tmp_path / "in.vhd").read_bytes()

    async def body(rig: Rig) -> Path:
        image = await rig.images.create("ext4", "p", disk_format="vhd", container_format="bare")
        vm = await rig.spawn(an_instance(), await rig.images.upload(image.id, pieces()))
        await stop(rig.session, vm, Patience())
        await snapshot(rig.session, vm, image_id := await queued(rig), rig.images)
        path = rig.images.path(image_id)
        assert path is not None
        return path

    out = over_rig(tmp_path, body)

    assert _content(out, tmp_path) == _content(tmp_path / "in.vhd", tmp_path)
    check(out)


def _content(vhd: Path, folder: Path) -> str:
    """The digest of the first 16 MiB of the disk in a VHD, as qemu-img reads it."""
    raw = folder / "disk.raw"
    subprocess.run(["qemu-img", "convert", "-f", "vpc", "-O", "raw", str(vhd), str(raw)], check=True)
    with raw.open("rb") as file:
        return hashlib.sha256(file.read(16 << 20)).hexdigest()


def broken(tmp_path: Path, disturb: Any) -> tuple[bool, list[str], str]:
    """Whether the image was made all the same, which disks are left, and what became of the image."""

    async def body(rig: Rig) -> tuple[bool, list[str], str]:
        vm = await rig.spawn(an_instance())
        image_id = await queued(rig)
        rig.undisturbed()
        disturb(rig)
        is_made = True
        try:
            await snapshot(rig.session, vm, image_id, rig.images)
        except (XenApiFailure, Unanswered, TransferFailed, BadImage):
            is_made = False
        return is_made, rig.left()["VDI"], (await rig.images.get(image_id)).status

    return over_rig(tmp_path, body)


@pytest.mark.parametrize("at", STEPS)
def test_a_lost_reply_leaves_no_snapshot(tmp_path: Path, at: int) -> None:
    def disturb(rig: Rig) -> None:
        rig.wire.after = loses_reply(at)

    is_made, vdis, status = broken(tmp_path, disturb)

    assert (is_made, vdis) == (CALLS[at - 1] != "GET /export_raw_vdi", [f"instance-{UUID}"])
    assert status == ("active" if is_made else "queued")


@pytest.mark.parametrize("at", STEPS[:-1])
def test_a_refusal_leaves_no_snapshot(tmp_path: Path, at: int) -> None:
    def disturb(rig: Rig) -> None:
        rig.wire.before = refuses(at, "INTERNAL_ERROR", "told to")

    assert broken(tmp_path, disturb) == (False, [f"instance-{UUID}"], "queued")


def test_a_host_that_dies_during_the_transfer_leaves_the_image_queued(tmp_path: Path) -> None:
    def disturb(rig: Rig) -> None:
        rig.wire.before = is_dead(3)

    is_made, _, status = broken(tmp_path, disturb)

    assert (is_made, status) == (False, "queued")


def test_a_cancelled_transfer_leaves_no_snapshot(tmp_path: Path) -> None:
    async def body(rig: Rig) -> tuple[list[str], Image]:
        vm = await rig.spawn(an_instance())
        image_id = await queued(rig)
        rig.undisturbed()
        arrived = asyncio.Event()
        rig.wire.before = holds(3, arrived)
        work = asyncio.create_task(snapshot(rig.session, vm, image_id, rig.images))
        await arrived.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return rig.left()["VDI"], await rig.images.get(image_id)

    vdis, image = over_rig(tmp_path, body)

    assert (vdis, image.status) == ([f"instance-{UUID}"], "queued")
