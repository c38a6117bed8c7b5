"""What changed since a snapshot, as a VHD upon another: put together again by others' tools, and moved to another disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fake_xapi.dom0.vhd_read import VhdDecoder
from tests.fake_xapi.transports.images import NOISE, exchange, get, put, served
from tests.fake_xapi.transports.serving import Client, run
from tests.fake_xapi.transports.worlds import MB, Host

SIZE = 16 * MB


async def _chain(xen: Host) -> tuple[str, str]:
    """A disk and its snapshot; the disk has gone on: written anew, written over and emptied."""
    vdi = xen.vdi(SIZE)
    for place in (0, 4, 9):
        xen.xapi.disks.write(xen.id(vdi), place * MB, NOISE)
    snapshot = str(await xen.call("VDI.snapshot", vdi))
    xen.xapi.disks.write(xen.id(vdi), 4 * MB, NOISE[::-1])
    xen.xapi.disks.write(xen.id(vdi), 9 * MB, bytes(MB))
    xen.xapi.disks.write(xen.id(vdi), SIZE - 3, b"end")
    return vdi, snapshot


async def _exported(xen: Host, client: Client, **query: str) -> bytes:
    reply = await exchange(client, get(session_id=xen.session, format="vhd", **query))
    assert reply.status == 200
    return reply.body


def _raw(image: bytes, folder: Path) -> bytes:
    """The disk in a whole VHD, as QEMU reads it."""
    (folder / "image.vhd").write_bytes(image)
    command = ["qemu-img", "convert", "-f", "vpc", "-O", "raw", str(folder / "image.vhd"), str(folder / "image.raw")]
    subprocess.run(command, check=True)
    return (folder / "image.raw").read_bytes()


def _laid_upon(base: bytes, delta: bytes) -> bytes:
    decoder, content = VhdDecoder(), bytearray(base)
    for offset, piece in decoder.feed(delta):
        content[offset : offset + len(piece)] = piece
    footer = decoder.finish()
    assert (footer.disk_type, footer.size) == ("differencing", SIZE)
    return bytes(content)


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_a_delta_laid_upon_its_base_is_the_disk(tmp_path: Path) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi, snapshot = await _chain(xen)
            delta = await _exported(xen, client, vdi=vdi, base=snapshot)
            base = _raw(await _exported(xen, client, vdi=snapshot), tmp_path)
            assert _laid_upon(base, delta) == _raw(await _exported(xen, client, vdi=vdi), tmp_path) == xen.content(vdi)
            assert len(delta) < 4 * 2 * MB
            decoder = VhdDecoder()
            list(decoder.feed(delta))
            assert decoder.header is not None
            uuid = xen.xapi.world.uuid(xen.id(snapshot))
            assert (str(decoder.header.parent_uuid), decoder.header.parent_name) == (uuid, f"{uuid}.vhd")

    run(body())


def test_a_disk_moves_as_its_snapshot_and_what_changed_since() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi, snapshot = await _chain(xen)
            there = xen.vdi(SIZE)
            for query in ({"vdi": snapshot}, {"vdi": vdi, "base": snapshot}):
                image = await _exported(xen, client, **query)
                assert (await exchange(client, put(image, session_id=xen.session, vdi=there, format="vhd"))).status == 200
            assert xen.content(there) == xen.content(vdi)

    run(body())


def test_nothing_changed_is_a_delta_without_blocks() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(SIZE)
            xen.xapi.disks.write(xen.id(vdi), 0, NOISE)
            snapshot = await xen.call("VDI.snapshot", vdi)
            assert len(await _exported(xen, client, vdi=vdi, base=snapshot)) < MB

    run(body())
