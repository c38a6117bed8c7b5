"""An image on its way to a host: unpacked, checked, and never whole when it is damaged."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator

import pytest

from compute_core.images.vhd import checksum
from compute_core.model.errors import BadImage, BuildFailed
from compute_core.model.images import Image
from compute_core.xenapi.image_stream import check, checked, stated_bytes
from tests.compute_core.values import an_image


def fixed_vhd(content: bytes) -> bytes:
    footer = bytearray(512)
    struct.pack_into(">8sIIQ", footer, 0, b"conectix", 2, 0x00010000, 0xFFFFFFFFFFFFFFFF)
    struct.pack_into(">QQII", footer, 40, len(content), len(content), 0, 2)
    struct.pack_into(">I", footer, 64, checksum(bytes(footer), 64))
    return content + bytes(footer)


VHD = fixed_vhd(b"\0" * 4096)
IMAGE = an_image(size_bytes=len(VHD), virtual_size_bytes=4096, checksum_md5=hashlib.md5(VHD).hexdigest())


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 1000):
        yield content[at : at + 1000]


def passed(image: Image, content: bytes) -> tuple[bytes, str]:
    """What got through, and the refusal."""
    through = bytearray()

    async def run() -> str:
        try:
            async for chunk in checked(image, in_pieces(content)):
                through.extend(chunk)
        except BadImage as refusal:
            return refusal.message
        return ""

    refusal = asyncio.run(run())
    return bytes(through), refusal


def test_an_image_gets_through_whole() -> None:
    assert passed(IMAGE, VHD) == (VHD, "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (VHD[:-600], f"4008 bytes where the image service says {len(VHD)}"),
        (VHD + b"x", f"{len(VHD) + 1} bytes where"),
        (b"x" + VHD[1:], "is damaged: its MD5 is"),
        (b"", "0 bytes where"),
    ],
)
def test_a_damaged_image_never_arrives_whole(content: bytes, reason: str) -> None:
    through, refusal = passed(IMAGE, content)

    assert reason in refusal
    assert len(through) < len(VHD)


def test_what_is_no_vhd_never_arrives_whole_even_when_the_sums_agree() -> None:
    junk = b"j" * 5000
    through, refusal = passed(an_image(size_bytes=5000, checksum_md5=hashlib.md5(junk).hexdigest()), junk)

    assert (len(through), refusal) == (4000, "Not a VHD: no footer at the end of the file.")


def test_what_comes_after_the_end_of_an_image_is_not_waited_for() -> None:
    read: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1000)
            yield b"x" * 1000

    async def run() -> None:
        async for _ in checked(IMAGE, endless()):
            pass

    with pytest.raises(BadImage, match=f"5000 bytes where the image service says {len(VHD)}"):
        asyncio.run(run())

    assert sum(read) == 5000


def test_what_is_in_a_container_has_no_size_that_the_image_service_could_know() -> None:
    sizes = [stated_bytes(an_image(virtual_size_bytes=4096, container_format=container)) for container in ("bare", "ovf")]

    assert sizes == [4096, None]


@pytest.mark.parametrize(
    ("image", "root_gb"),
    [
        (IMAGE, 1),
        (IMAGE, 0),
        (an_image(size_bytes=1, virtual_size_bytes=2 << 30), 0),
        (an_image(size_bytes=1, virtual_size_bytes=2 << 30, disk_format="iso"), 1),
        (an_image(size_bytes=1, virtual_size_bytes=2 << 30, container_format="ovf"), 1),
        (an_image(size_bytes=1, disk_format="raw"), 1),
        (an_image(size_bytes=1, disk_format="ami"), 1),
    ],
)
def test_an_image_that_may_become_the_disk_passes(image: Image, root_gb: int) -> None:
    check(image, root_gb)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (an_image(disk_format="qcow2"), "is qcow2; servers are built from vhd, raw, iso, ami"),
        (an_image(status="queued"), "is queued, of unknown size"),
        (an_image(size_bytes=1, virtual_size_bytes=2 << 30), "holds a disk of 2147483648 bytes, the flavor's root has 1073741824"),
    ],
)
def test_an_image_that_cannot_become_the_disk_is_refused_everywhere(image: Image, reason: str) -> None:
    with pytest.raises(BuildFailed, match=reason) as refused:
        check(image, 1)

    assert refused.value.is_retryable is False
