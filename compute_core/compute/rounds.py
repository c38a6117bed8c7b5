"""What an agent does on its host again and again, whatever its servers do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from compute_core.compute.host_work import HostWork
from compute_core.compute.image_care import evict_as_told
from compute_core.compute.metering import report_usage
from compute_core.compute.orphan_care import clean_as_told
from compute_core.model.errors import ComputeError
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.plugins import PluginRefusal

log = logging.getLogger(__name__)

Round = Callable[[HostWork], Awaitable[None]]


async def _measure(work: HostWork) -> None:
    await report_usage(work.meter, work.host, work.cell)


ROUNDS: tuple[Round, ...] = (_measure, evict_as_told, clean_as_told)


async def make_rounds(work: HostWork, pause_s: Callable[[float], float]) -> None:
    """Until cancelled. What goes wrong is logged, and tried again in the next round. ``pause_s`` varies a pause."""
    while True:
        await asyncio.sleep(pause_s(work.host.settings.usage_s))
        for each in ROUNDS:
            try:
                await each(work)
            except (XenApiFailure, Unanswered, TransferFailed, ComputeError, PluginRefusal) as problem:
                log.warning("%s: %s: %s", work.host.settings.host, each.__name__.strip("_"), problem)
