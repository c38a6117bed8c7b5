"""Operations that make images of servers."""

from __future__ import annotations

from collections.abc import Mapping

from compute_core.compute.work import Ending, Operation, Work
from compute_core.xenapi.snapshot import snapshot


async def _snapshot(work: Work) -> Ending:
    """Fill the queued image ``image_id`` from the server's root disk."""
    await snapshot(work.host.xapi, work.vm, work.arguments["image_id"], work.host.images)
    return Ending()


SNAPSHOTS: Mapping[str, Operation] = {
    "snapshot": _snapshot,
}
