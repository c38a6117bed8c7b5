"""Servers are ordered from images that are damaged, cut, too large or made to do harm: users read why, and no host has a VDI of them."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from compute_core.images.embedded import EmbeddedImageStore
from compute_core.model.errors import BadImage, Invalid
from compute_core.model.flavors import Flavor
from compute_core.xenapi import image_source
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.dom0.vhds import BASE, archived, chain, differencing, numbered, pattern
from tests.compute_core.faults.digest import pools, world_rows
from tests.compute_core.faults.scene import ADMIN, Scene, scene
from tests.compute_core.rig import in_pieces
from tests.compute_core.xenapi.wrong_images import WRONG, as_large_as, beyond_the_file, broken_seal

MIB = 1 << 20
SOUND = differencing(BASE, None, {0: pattern(1)})
ROOTLESS = Flavor("rootless", "m1.rootless", 512, 1, 0)


@dataclass(frozen=True, slots=True)
class Bad:
    """An image and why it is refused. ``stored``: what the store took, which looks at VHDs itself; ``claims``: the size that it states."""

    content: bytes
    reason: str
    disk_format: str = "vhd"
    container: str = "bare"
    stored: bytes | None = None
    claims: int | None = None
    flavor_id: str = "1"


def _bomb(byte: int) -> bytes:
    """Less than a MiB that unpacks to 96."""
    out, told = io.BytesIO(), tarfile.TarInfo("0.vhd")
    told.size = 1 << 30
    with gzip.open(out, "wb", 1) as packed:
        packed.write(told.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(96):
            packed.write(bytes([byte]) * MIB)
    return out.getvalue()


def _changed(content: bytes, disk_format: str = "vhd", container: str = "bare") -> Bad:
    """Its last bytes are not those that were stored."""
    return Bad(content[:-7] + b"changed", "is damaged: its MD5 is", disk_format, container, stored=content)


BAD: Mapping[str, Bad] = {
    "a VHD alone that is none": Bad(b"j" * 4096, "no footer"),
    "a VHD alone that is empty": Bad(b"", "Not a VHD: no footer"),
    "a VHD alone with a wrong checksum": Bad(broken_seal(SOUND), "wrong checksum of the footer"),
    "a VHD alone that is cut": Bad(SOUND[: len(SOUND) // 2], "VHD"),
    "a VHD alone with a block beyond its end": Bad(beyond_the_file(SOUND), "Truncated VHD: a block ends at byte"),
    "a VHD alone that needs another": Bad(chain()[0], "needs a parent"),
    "a VHD alone beyond the flavor": Bad(as_large_as(2 << 30), "too small for requested image: its disk has 2147483648 bytes"),
    "a VHD alone of a size that cannot be": Bad(differencing(BASE, None, {}, size=1 << 41), "its disk has 2199023255552 bytes"),
    "a VHD alone that has changed": _changed(SOUND),
    **{f"an archive: {name}": Bad(content, reason, container="ovf") for name, (content, reason) in WRONG.items()},
    "an archive that is a bomb of zeros": Bad(
        _bomb(0), "more than 83886080 bytes once it is unpacked", container="ovf", flavor_id=ROOTLESS.id
    ),
    "an archive that is a bomb": Bad(_bomb(1), "more than 83886080 bytes once it is unpacked", container="ovf", flavor_id=ROOTLESS.id),
    "an archive that has changed": _changed(archived(numbered(chain())), container="ovf"),
    "a raw disk that has changed": _changed(b"r" * MIB, "raw"),
    "a raw disk beyond the flavor": Bad(b"r" * MIB, "its disk has 1073741825 bytes", "raw", claims=(1 << 30) + 1),
    "a file system that has changed": _changed(b"f" * MIB, "ami", "ami"),
    "a medium that has changed": _changed(b"CD001" * MIB, "iso"),
    "a format that is none": Bad(b"q" * MIB, "qcow2", "qcow2"),
}


async def _refusal(there: Scene, name: str, bad: Bad) -> str:
    """Why the image is not taken, or a server of it not even begun; "" when it is."""
    try:
        await _ordered(there, name, bad)
    except (Invalid, BadImage) as refusal:
        return refusal.message
    return ""


async def _ordered(there: Scene, name: str, bad: Bad) -> None:
    images = there.cloud.images
    assert isinstance(images, EmbeddedImageStore)
    image = await images.create(name, "p", disk_format=bad.disk_format, container_format=bad.container)
    await images.upload(image.id, in_pieces(bad.content if bad.stored is None else bad.stored))
    if bad.claims is not None:
        await images.update(image.id, virtual_size_bytes=bad.claims)
    path = images.path(image.id)
    if bad.stored is not None and path is not None:
        path.write_bytes(bad.content)
    await there.order(name, image_ref=image.id, flavor_id=bad.flavor_id)
    await there.quiet()


def test_every_bad_image_is_refused_with_the_reason_and_leaves_no_vdi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_source, "BEYOND_DISK_BYTES", 16 * MIB)
    monkeypatch.setattr(image_source, "MOST_UNPACKED_BYTES", 80 * MIB)

    async def body() -> tuple[dict[str, str], list[str]]:
        async with scene(tmp_path) as there:
            (xapi,) = pools(there)
            before = list(world_rows(xapi.world))
            await there.cloud.api_cell.create_flavor(ADMIN, ROOTLESS)
            told = {name: await _refusal(there, name, bad) for name, bad in BAD.items()}
            servers = await there.servers()
            told |= {server.name: server.fault.message for server in servers if server.fault is not None and server.vm_state == "error"}
            await asyncio.sleep(60)
            return told, [row for row in world_rows(xapi.world) if row not in before]

    told, left = run_virtual(body())

    assert {name: message for name, message in told.items() if BAD[name].reason not in message} == {}
    assert left == []
