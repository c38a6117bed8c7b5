"""Disks on their way into an image: a tar of numbered VHDs, the leaf first, each as the host sends it; no byte is kept here.

The container is the one that ``dom0.archive`` reads and writes.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from compute_core.dom0.archive import BLOCK, END, header
from compute_core.dom0.chain import name_of
from compute_core.images.vhd_links import relinked
from compute_core.xenapi.disk_stream import Stream, measured
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.transport import closing

log = logging.getLogger(__name__)

OnProgress = Callable[[int], Awaitable[None]]
STEP_PERCENT = 10
"""Progress is told in steps of so much."""


async def untold(_: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Link:
    """One disk of a chain: a VDI, or what has changed in it since the VDI ``base`` (its uuid).

    In the container it is called ``uuid``, and names ``parent`` as what it is made on.
    """

    vdi: str
    base: str
    uuid: UUID
    parent: UUID


@dataclass(slots=True)
class Tally:
    """What has been sent: bytes of VHDs, and how many of them; ``is_whole``: the last one needs no other. ``tell`` hears of percents."""

    tell: OnProgress = untold
    sent_bytes: int = 0
    vhds: int = 0
    is_whole: bool = False
    _told: int = field(default=0)

    async def add(self, count: int, share: float) -> None:
        """So many bytes more; ``share`` of everything is done."""
        self.sent_bytes += count
        percent = int(share * 100) // STEP_PERCENT * STEP_PERCENT
        if percent > self._told:
            self._told = percent
            await self.tell(percent)


async def archived(xapi: XenApi, links: Sequence[Link], tally: Tally) -> AsyncIterator[bytes]:
    """The tar of a chain. It ends with the first disk that the host sends whole, whatever was asked for.

    TransferFailed, NotSent, XenApiFailure, BadImage.
    """
    for place, link in enumerate(links):
        async with sent(xapi, link) as stream:
            yield header(name_of(place), stream.length)
            done = 0
            async with closing(relinked(stream.chunks, link.uuid, link.parent)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    done += len(chunk)
                    await tally.add(len(chunk), (place + done / stream.length) / len(links))
            yield bytes(-stream.length % BLOCK)
        tally.vhds, tally.is_whole = place + 1, not stream.needs_parent
        if tally.is_whole:
            break
    yield END


@asynccontextmanager
async def sent(xapi: XenApi, link: Link) -> AsyncGenerator[Stream]:
    """A disk as the host sends it; all of it where the host will not say what has changed since ``base``."""
    is_begun = False
    if link.base:
        try:
            async with closing(xapi.get_vdi(link.vdi, base=link.base)) as chunks:
                stream = await measured(chunks, "the change of a disk")
                is_begun = True
                yield stream
        except TransferFailed as problem:
            if is_begun:
                raise
            log.warning("the whole of a disk is sent, for what has changed since %s is not to be had: %s", link.base, problem)
    if not is_begun:
        async with closing(xapi.get_vdi(link.vdi)) as chunks:
            yield await measured(chunks, "a disk")


async def gzipped(chunks: AsyncIterator[bytes], level: int) -> AsyncIterator[bytes]:
    """The bytes as gzip packs them."""
    encoder = zlib.compressobj(level, zlib.DEFLATED, 31)
    async for chunk in chunks:
        packed = encoder.compress(chunk)
        if packed:
            yield packed
    yield encoder.flush()
