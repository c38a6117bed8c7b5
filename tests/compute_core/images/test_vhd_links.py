"""VHDs of a chain under other names: as the plugin's strict reader sees them, and with every other byte as it was."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from compute_core.dom0 import vhd
from compute_core.images.vhd_links import relinked
from compute_core.model.errors import BadImage
from tests.compute_core.dom0.vhds import chain
from tests.compute_core.rig import fixed_vhd

MINE, ITS = UUID(int=7), UUID(int=8)


def under_another_name(content: bytes, piece_bytes: int) -> bytes:
    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, len(content), piece_bytes):
            yield content[begin : begin + piece_bytes]

    async def main() -> bytes:
        return b"".join([piece async for piece in relinked(pieces(), MINE, ITS)])

    return asyncio.run(main())


@pytest.mark.parametrize("piece_bytes", [511, 4096, 1 << 20, 1 << 30])
@pytest.mark.parametrize(("place", "parent"), [(0, ITS), (1, ITS), (2, None)])
def test_names_change_and_nothing_else(place: int, parent: UUID | None, piece_bytes: int) -> None:
    before = chain()[place]

    after = under_another_name(before, piece_bytes)

    read = vhd.read(io.BytesIO(after), "after")
    assert (read.uuid, read.parent) == (MINE, parent)
    assert len(after) == len(before)
    assert after[2048:-512] == before[2048:-512]


@pytest.mark.parametrize(
    "content", [b"", b"conectix", bytes(512), fixed_vhd(bytes(512)), chain()[0][:1000], chain()[0][:-512] + bytes(512)]
)
def test_what_is_no_part_of_a_chain_is_refused(content: bytes) -> None:
    with pytest.raises(BadImage):
        under_another_name(content, 512)
