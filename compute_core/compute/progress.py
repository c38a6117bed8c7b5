"""How far a server is on its way, told to its cell: at each step, and now and then in between, so that nobody takes it for forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from compute_core.compute.work import Work
from compute_core.model.errors import ComputeError

log = logging.getLogger(__name__)

TELL_S = 600.0
"""So often a move that takes its time says that it goes on; cells give up what they have not heard of for an hour."""


class Progress:
    """Of one move, in percent."""

    __slots__ = ("_work", "percent")

    def __init__(self, work: Work) -> None:
        self._work = work
        self.percent = 0

    async def tell(self, percent: int) -> None:
        """It is so far now."""
        self.percent = percent
        try:
            await self._work.host.peers.tell_progress(self._work.instance, percent)
        except ComputeError as problem:
            log.info("the cell does not hear how far %s is: %s", self._work.instance.uuid, problem.message)

    async def passing(self, chunks: AsyncIterator[bytes], length: int, begin: float, end: float) -> AsyncIterator[bytes]:
        """The chunks, of ``length`` bytes in all, which take the move from ``begin`` to ``end`` percent."""
        count = 0
        async for chunk in chunks:
            count += len(chunk)
            self.percent = int(begin + (end - begin) * count / max(length, count))
            yield chunk


@asynccontextmanager
async def kept_told(work: Work) -> AsyncGenerator[Progress]:
    """The progress of a move, of which the cell hears while the block lasts."""
    progress = Progress(work)
    telling = asyncio.ensure_future(_keep_telling(progress))
    try:
        yield progress
    finally:
        telling.cancel()
        await asyncio.wait({telling})


async def _keep_telling(progress: Progress) -> None:
    while True:
        await asyncio.sleep(TELL_S)
        await progress.tell(progress.percent)
