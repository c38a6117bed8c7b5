"""Disks on their way: the length that the head of a VHD promises is the one that comes, or nobody takes it for whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from compute_core.xenapi.disk_stream import MOST_WITHOUT_BLOCKS, measured
from compute_core.xenapi.errors import TransferFailed
from fake_xapi.dom0.vhd_write import Parent, VhdImage
from tests.compute_core.rig import fixed_vhd

BLOCK = 2 << 20
NAME = UUID(int=1)


def image(*blocks: int, parent: Parent | None = None) -> bytes:
    """A VHD of 16 blocks of which these are there."""
    whole = VhdImage(16 * BLOCK, NAME, blocks, lambda number: bytes([number]) * BLOCK, parent)
    return b"".join(whole.pieces())


async def pieces(content: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def _sent(content: bytes, size: int = 65536) -> tuple[int, bytes]:
    stream = await measured(pieces(content, size), "disk 0")
    return stream.length, b"".join([chunk async for chunk in stream.chunks])


@pytest.mark.parametrize("size", [100, 65536, 1 << 24])
@pytest.mark.parametrize(
    "content",
    [
        image(0, 3, 15),
        image(7),
        image(),
        image(2, parent=Parent(NAME, "base.vhd")),
        image(parent=Parent(NAME, "base.vhd")),
    ],
    ids=["some blocks", "one block", "no block", "a difference", "no difference"],
)
def test_the_length_is_known_before_the_end_and_right(content: bytes, size: int) -> None:
    assert asyncio.run(_sent(content, size)) == (len(content), content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Truncated VHD: it ends after 0 bytes"),
        (image(3)[:700], "Truncated VHD: it ends after 700 bytes"),
        (image(3)[:-1], "came as .* bytes, its table promises"),
        (image(3) + b"x", "came as .* bytes, its table promises"),
        (b"x" * 100_000, "Not a VHD"),
        (fixed_vhd(b"boot" * 1024), "Not a VHD"),
        (image() + bytes(MOST_WITHOUT_BLOCKS), "has more behind its table than the table says"),
    ],
)
def test_what_is_not_whole_breaks_off_before_its_last_byte(content: bytes, words: str) -> None:
    with pytest.raises(TransferFailed, match=words):
        asyncio.run(_sent(content))


def test_a_stream_that_is_too_short_keeps_its_last_chunk_to_itself() -> None:
    sent: list[int] = []

    async def take() -> None:
        stream = await measured(pieces(image(3)[:-1]), "disk 0")
        async for chunk in stream.chunks:
            sent[:] = [*sent, len(chunk)]

    with pytest.raises(TransferFailed):
        asyncio.run(take())
    assert len(image(3)) - sum(sent) > 1
