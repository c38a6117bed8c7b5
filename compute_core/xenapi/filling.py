"""Fill a VDI with the bytes of a VHD, and be sure that they have arrived: XAPI may answer before it has read them, its task knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from compute_core.xenapi.certainty import certain, destroy, one_of
from compute_core.xenapi.errors import TransferFailed, XenApiFailure
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo

TASK_LOOKS_S = (0.1, 0.2, 0.5, 1.0)
"""Pauses between looks at a task that is not over when its transfer is; the last one repeats."""
TASK_LIMIT_S = 1500.0


async def fill(xapi: XenApi, vdi: str, chunks: AsyncIterator[bytes], length: int, label: str) -> None:
    """Send a VHD of ``length`` bytes; ``label`` names the task, which is gone afterwards.

    Raises XenApiFailure, NotSent, ReplyLost, TransferFailed, and whatever ``chunks`` do.
    """
    task = await certain(xapi.call("task.create", label, ""), lambda: one_of(xapi, "task", {"name__label": label}))
    async with Undo(label) as undo:
        undo.add("destroy the task", lambda: destroy(xapi, "task", task))
        await _send(xapi, vdi, chunks, length, task)
    await destroy(xapi, "task", task)


async def _send(xapi: XenApi, vdi: str, chunks: AsyncIterator[bytes], length: int, task: str) -> None:
    try:
        await xapi.put_vdi(vdi, chunks, length, task=task)
    except TransferFailed:
        await outcome(xapi, task)  # which knows the reason better, when there is one
        raise
    await outcome(xapi, task, is_over=True)


async def outcome(xapi: XenApi, task: str, *, is_over: bool = False) -> None:
    """Raise what the task failed with. ``is_over``: the bytes are all there, so it is waited for."""
    pauses, waited_s = iter(TASK_LOOKS_S), 0.0
    pause_s = next(pauses)
    while True:
        record = await xapi.call("task.get_record", task)
        if record["status"] == "failure":
            raise XenApiFailure(record["error_info"])
        if record["status"] == "success" or not is_over:
            return
        if record["status"] != "pending" or waited_s > TASK_LIMIT_S:
            raise TransferFailed(f"the import's task is {record['status']} after {waited_s:g} s")
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = next(pauses, pause_s)
